//! The served venue's REST, and certificates.

use std::sync::Arc;

use serde_json::Value;
use starling_connect::metrics::Counter;
use starling_connect::rest::{RestError, get};
use starling_connect::socket::{Endpoint, SocketError, Trust};
use starling_connect::venue::server::Pace;
use starling_connect::watch::SkewRule;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::chaos::Ready;
use super::{Running, await_that, open, options, runtime, spot};

fn ask(running: &Running, path: &str) -> Result<Value, RestError> {
    let base = format!("http://127.0.0.1:{}", running.port());
    let body = runtime().block_on(get(&base, path, &Trust::default()))?;
    Ok(serde_json::from_slice(&body).unwrap())
}

fn code(result: Result<Value, RestError>) -> (u16, i64) {
    match result {
        Err(RestError::Status { status, body, .. }) => {
            (status.as_u16(), serde_json::from_str::<Value>(&body).unwrap()["code"].as_i64().unwrap())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_before_anything_is_played() {
    let Some(files) = spot() else { return };
    let tape = Arc::new(open("binance-spot", &files[..1]).unwrap());
    let running = Running::start("binance-spot", tape, options(Pace::Max, "", 0));
    assert_eq!(ask(&running, "/api/v3/ping").unwrap(), serde_json::json!({}));
    assert_eq!(ask(&running, "/api/v3/time").unwrap()["serverTime"], 1_723_161_253_937_u64);
    let info = ask(&running, "/api/v3/exchangeInfo").unwrap();
    let symbol = &info["symbols"][0];
    assert_eq!((&symbol["symbol"], &symbol["baseAsset"]), (&"BTCUSDT".into(), &"BTC".into()));
    // The venue's own at the time: tick 0.01, step 0.00001.
    assert_eq!(symbol["filters"][0]["tickSize"], "0.01");
    assert_eq!(symbol["filters"][1]["stepSize"], "0.00001");
    let depth = ask(&running, "/api/v3/depth?symbol=BTCUSDT&limit=1000").unwrap();
    assert_eq!(depth["lastUpdateId"], 50_093_239_218_u64);
    assert_eq!(ask(&running, "/api/v3/historicalTrades?symbol=BTCUSDT&fromId=1").unwrap(), serde_json::json!([]));
    assert_eq!(code(ask(&running, "/api/v3/depth?symbol=XXX")), (400, -1121));
    assert_eq!(code(ask(&running, "/api/v3/depth")), (400, -1102));
    assert_eq!(code(ask(&running, "/nothing")), (404, -1));
}

#[test]
fn the_weight_limit_is_the_venues() {
    let Some(files) = spot() else { return };
    let tape = Arc::new(open("binance-spot", &files[..1]).unwrap());
    let running = Running::start("binance-spot", tape, options(Pace::Max, "", 0));
    // 250 of 6,000 each; a minute may begin in between, so a few more are tried.
    let limited = (0..50).find_map(|_| ask(&running, "/api/v3/depth?symbol=BTCUSDT&limit=5000").err()).unwrap();
    assert!(matches!(limited, RestError::Limited { retry_after_s: 1..=60, .. }), "{limited:?}");
}

#[test]
fn a_certificate_that_does_not_hold_ends_the_connection_for_good() {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = signed.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap().port()).unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(tls) = acceptor.accept(stream).await {
                    tokio::spawn(async move {
                        let mut socket = tokio_tungstenite::accept_async(tls).await.unwrap();
                        while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {}
                    });
                }
            }
        });
    });
    let port = receiver.recv().unwrap();
    let endpoint = |trust| Endpoint {
        stream: format!("wss://localhost:{port}/stream"),
        rest: format!("https://localhost:{port}"),
        trust,
    };
    // The loop ends by itself: no stop is sent before it has.
    let client = Ready::to(endpoint(Trust::default()), SkewRule::Ignore).start();
    await_that("the line has ended", || client.has_ended());
    assert!(matches!(client.stop().0, Err(SocketError::Certificate { .. })));
    let rest = runtime().block_on(get(&format!("https://localhost:{port}"), "/", &Trust::default()));
    assert!(matches!(rest, Err(RestError::Io { .. })), "{rest:?}");
    // The same server is believed once its certificate was added.
    let client = Ready::to(endpoint(Trust::with_roots(&[certificate]).unwrap()), SkewRule::Ignore).start();
    await_that("the line stands", || client.metrics.get(Counter::Connects) == 1);
    client.stop().0.unwrap();
}
