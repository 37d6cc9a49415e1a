use starling_market::wire::Feed;

use super::*;

#[test]
fn every_dialect_has_a_decoder_and_secure_addresses() {
    assert!(DIALECTS.windows(2).all(|pair| pair[0].name < pair[1].name));
    for dialect in DIALECTS {
        assert!(Feed::named(dialect.feed).is_some(), "{}", dialect.name);
        assert!(dialect.stream_url.starts_with("wss://") && dialect.rest_url.starts_with("https://"));
    }
}

#[test]
fn subscriptions_of_every_dialect_name_every_topic_and_ends_name_them_too() {
    for dialect in DIALECTS {
        let symbols = ["AAA", "BBB"];
        let topics: Vec<Topic> = symbols
            .iter()
            .flat_map(|symbol| {
                dialect.channels.iter().map(|channel| Topic { symbol: (*symbol).into(), channel: *channel })
            })
            .collect();
        let ends = dialect.unsubscribe.map(|unsubscribe| unsubscribe(&topics));
        for messages in [Some((dialect.subscribe)(&topics)), ends].into_iter().flatten() {
            for message in &messages {
                let parsed: serde_json::Value = serde_json::from_str(message).unwrap();
                assert!(parsed.is_object() && message.len() < 4_096, "{}: {message}", dialect.name);
            }
            for symbol in symbols {
                let named = messages.iter().filter(|m| m.to_lowercase().contains(&symbol.to_lowercase())).count();
                assert!(named > 0, "{} forgets {symbol}", dialect.name);
            }
        }
        let many = vec![topics[0].clone(); dialect.topics_max];
        let longest = (dialect.subscribe)(&many).iter().map(String::len).max();
        assert!(longest.is_some_and(|bytes| bytes < 16_384), "{}: {longest:?}", dialect.name);
        if let Some(text) = dialect.ping_text {
            assert!(text == "ping" || serde_json::from_str::<serde_json::Value>(text).is_ok());
        }
        assert!(dialect.ping_every_ns < dialect.life_max_ns && dialect.idle_max_ns <= 60_000_000_000);
    }
}

#[test]
fn a_key_that_is_missing_is_named() {
    let alpaca = Dialect::named("alpaca-sip").unwrap();
    let only = |given: &'static str| move |name: &str| (name == given).then(|| "k".to_owned());
    let error = alpaca.login_message(only("APCA_API_KEY_ID")).unwrap_err();
    assert_eq!(error, NoKey { venue: "alpaca-sip", variable: "APCA_API_SECRET_KEY" });
    assert_eq!(alpaca.login_message(|_| Some(String::new())).unwrap_err().variable, "APCA_API_KEY_ID");
    assert_eq!(Dialect::named("okx").unwrap().login_message(|_| None), Ok(None));
}
