//! One HTTP request over its own connection, with limits on time and size.
//!
//! Invariant: an answer is the whole body of a 200, or an error that says what to do; certificates are checked by the
//! roots of [`crate::socket::Trust`], and there is no switch to skip that. It keeps no connection: a market-data client
//! asks a few times an hour. It does not follow redirects: a venue's API has none.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::socket::{Address, Trust};

/// How long a request may take in all.
pub const REST_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer at most: `exchangeInfo` takes some megabytes.
pub const REST_BYTES_MAX: usize = 32 << 20;

/// A request without a usable answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestError {
    /// The address cannot be understood.
    #[error("{0}")]
    Address(#[from] crate::socket::AddressError),
    /// Too many requests: the venue says when to come back.
    #[error("{url} answered {status}: too many requests; wait {retry_after_s} s")]
    Limited {
        /// What was asked.
        url: String,
        /// 429, or 418 for a ban.
        status: StatusCode,
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// Another status than 200.
    #[error("{url} answered {status}: {body}")]
    Status {
        /// What was asked.
        url: String,
        /// The status.
        status: StatusCode,
        /// How the body begins.
        body: String,
    },
    /// The connection failed.
    #[error("{url}: {cause}; check the network, or that the venue is up")]
    Io {
        /// What was asked.
        url: String,
        /// What happened.
        cause: String,
    },
    /// It took longer than [`REST_MAX`].
    #[error("{0} did not answer within {limit} s", limit = REST_MAX.as_secs())]
    Timeout(String),
}

/// Gets `path` from the base address `base`.
pub async fn get(base: &str, path: &str, trust: &Trust) -> Result<Bytes, RestError> {
    let url = format!("{base}{path}");
    let address = Address::parse(&url)?;
    match tokio::time::timeout(REST_MAX, exchange(&url, &address, trust)).await {
        Ok(answer) => answer,
        Err(_) => Err(RestError::Timeout(url)),
    }
}

async fn exchange(url: &str, address: &Address, trust: &Trust) -> Result<Bytes, RestError> {
    let io = |cause: &dyn std::fmt::Display| RestError::Io { url: url.to_owned(), cause: cause.to_string() };
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(|e| io(&e))?;
    let request = Request::get(&address.path)
        .header(header::HOST, &address.authority)
        .header(header::USER_AGENT, concat!("starling/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|e| io(&e))?;
    let response = if address.secure {
        let stream = trust.wrap(stream, &address.host).await.map_err(|e| io(&e))?;
        send(TokioIo::new(stream), request).await
    } else {
        send(TokioIo::new(stream), request).await
    };
    let (status, retry_after_s, body) = response.map_err(|e| io(&e))?;
    match status.as_u16() {
        200 => Ok(body),
        418 | 429 => Err(RestError::Limited { url: url.to_owned(), status, retry_after_s }),
        _ => {
            let body = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            Err(RestError::Status { url: url.to_owned(), status, body })
        }
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn send<S>(io: TokioIo<S>, request: Request<Empty<Bytes>>) -> Result<(StatusCode, u64, Bytes), Failed>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    // The connection is driven beside the exchange, and ends with it.
    let driver = tokio::spawn(connection);
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        let body = Limited::new(response.into_body(), REST_BYTES_MAX).collect().await?.to_bytes();
        Ok((status, retry_after.unwrap_or(60), body))
    };
    let result = exchange.await;
    driver.abort();
    result
}
