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
