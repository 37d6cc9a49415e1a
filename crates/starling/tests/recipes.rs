//! The recipes of `examples/recipes`, run as a user runs them, against balances that `scripts/recipe_reference.py`
//! computed from the raw data; and what a stranger gets who writes them a little otherwise.
//!
//! Cases over real data look for it under `STARLING_DATA`, else in `../shared/data` beside the workspace; without it they
//! say so on stderr and pass.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod runner;

use serde_json::{Value, json};
use starling_lab::config::Config;
use starling_lab::run::Run;

use runner::{backtest, data_dir, example};

/// Balances, orders, fills and positions as the reference prints them.
fn assert_agrees(recipe: &str, balances: &Value, [orders, fills, positions]: [u64; 3]) {
    let Some(data) = data_dir(recipe) else { return };
    let run = backtest(&example(&format!("recipes/{recipe}.toml")), &["--data-dir", &data]);
    assert_eq!(&run["balances"], balances, "{recipe}");
    assert_eq!([&run["orders"], &run["fills"], &run["positions"]], [orders, fills, positions], "{recipe}");
    assert_eq!(run["denied"], json!({}), "{recipe}");
}

#[test]
fn fx_bars_loaded_as_bid_and_ask() {
    assert_agrees("fx_external_bars", &json!({ "SIM": { "USD": "1348359.97" } }), [2604, 5208, 1302]);
}

#[test]
fn a_linear_perpetual() {
    assert_agrees("perpetual_linear", &json!({ "BYBIT": { "USDT": "9611.10196658" } }), [140, 193, 2]);
}

#[test]
fn an_inverse_perpetual() {
    assert_agrees("perpetual_inverse", &json!({ "BINANCE": { "BTC": "1.95102769" } }), [70, 87, 1]);
}

#[test]
fn entries_in_slices() {
    assert_agrees("twap_slices", &json!({ "BINANCE": { "USDT": "999914.45725707" } }), [30, 55, 1]);
}

#[test]
fn several_venues_and_accounts() {
    let balances = json!({
        "COINS": { "BTC": "0.50000000", "USD": "49596.85" },
        "COINS-EUR": { "EUR": "19409.94" },
        "FX": { "USD": "99353.50" },
    });
    assert_agrees("several_venues", &balances, [214, 262, 30]);
}

#[test]
fn us_equity_minute_bars() {
    assert_agrees("equity_minute_bars", &json!({ "ARCX": { "USD": "100518.65" } }), [30, 30, 1]);
}

#[test]
fn synthetic_candles_under_rules() {
    let run = backtest(&example("recipes/synthetic_rules.toml"), &[]);
    assert_eq!(run["balances"], json!({ "LAB": { "USD": "106802.75" } }));
    assert_eq!([&run["orders"], &run["fills"], &run["positions"]], [94, 94, 1]);
    assert_eq!(run["indicators"]["ADX(14)"]["count"], 1000);
}

/// A recipe with one piece of its text written otherwise.
fn rewritten(recipe: &str, from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(example(&format!("recipes/{recipe}.toml"))).unwrap();
    assert!(text.contains(from), "{recipe} has no `{from}`");
    text.replacen(from, to, 1)
}

#[test]
fn numbers_may_be_written_as_people_write_them() {
    for (recipe, from, to) in [
        ("fx_external_bars", "balances = { USD = 1_000_000 }", "balances = { USD = \"1000000.00\" }"),
        ("fx_external_bars", "size = { fixed = 1_000_000 }", "size = { fixed = 1e6 }"),
        ("perpetual_linear", "taker_fee = 0.0006", "taker_fee = \"0.0006\""),
        ("perpetual_linear", "leverage = 20 ", "leverage = 20.0 "),
        ("perpetual_linear", "price = 17150", "price = \"17150.00\""),
        ("perpetual_inverse", "multiplier = 100", "multiplier = \"100\""),
        ("several_venues", "per_order = 1.25", "per_order = \"1.25\""),
        ("several_venues", "from = 20_000", "from = \"20000\""),
        ("equity_minute_bars", "price_factor = 0.8658", "price_factor = \"0.8658\""),
        ("synthetic_rules", "taker_fee = 0.0002", "taker_fee = 2e-4"),
    ] {
        let config = |text: &str| Config::read(text).unwrap_or_else(|faults| panic!("{recipe}, `{to}`: {faults}"));
        let (plain, otherwise) = (rewritten(recipe, from, from), rewritten(recipe, from, to));
        assert_eq!(config(&plain), config(&otherwise), "{recipe}: `{to}` means what `{from}` means");
    }
}

#[test]
fn a_misspelling_is_answered_with_a_way_out() {
    for (recipe, from, to, wanted) in [
        ("fx_external_bars", "template = \"fx\"", "template = \"forex\"", "`fx`"),
        ("fx_external_bars", "positions = \"hedging\"", "positions = \"hedge\"", "`hedging`"),
        (
            "fx_external_bars",
            "instrument = \"USD/JPY.SIM\"\nkind",
            "instrument = \"USDJPY.SIM\"\nkind",
            "did you mean `USD/JPY.SIM`",
        ),
        ("perpetual_linear", "venue = \"BYBIT\"", "venue = \"Bybit\"", "declared are: BYBIT"),
        ("perpetual_linear", "taker_fee = 0.0006", "taker_fees = 0.0006", "`taker_fee`"),
        ("perpetual_linear", "quote = \"USDT\"  ", "#", "name the currency of the price"),
        ("perpetual_inverse", "kind = \"funding\"", "kind = \"fundings\"", "`funding`"),
        ("perpetual_inverse", "flip = \"one_order\"", "flip = \"single\"", "`one_order`"),
        ("perpetual_inverse", "qty_digits = 0 ", "#", "how many decimals do quantities have?"),
        ("perpetual_inverse", "size = { fixed = 200 }", "size = 200", "{ fixed = 100 }"),
        ("synthetic_rules", "[[venues]]", "[[venue]]", "did you mean `venues`"),
        ("twap_slices", "interval = \"10s\"", "interval = 10", "90s"),
        ("twap_slices", "horizon = \"40s\"", "horizon = \"45s\"", "whole number of intervals"),
        ("twap_slices", "kind = \"ema_cross\"", "kind = \"emacross\"", "did you mean `ema_cross`"),
        ("several_venues", "accounts = [\"FX\"]", "accounts = [\"FXCM\"]", "declared are: COINS, COINS-EUR, FX"),
        ("several_venues", "per_order = 1.25", "per_trade = 1.25", "`per_order`"),
        ("several_venues", "from = 0,", "from = 1,", "tiers start with from = 0"),
        ("equity_minute_bars", "timezone = \"America/New_York\"", "time_zone = \"America/New_York\"", "`timezone`"),
        ("equity_minute_bars", "fraction = 1\n", "fraction = 0.10000000000000003\n", "in quotes"),
        ("equity_minute_bars", "buffer = 0.0025", "buffer = 1.0025", "at least 0 and below 1"),
        ("synthetic_rules", "cmo(14) > 10", "cmo(14) >> 10", "enter_long"),
        ("synthetic_rules", "adx(14) > 20", "adxx(14) > 20", "ADX"),
        ("synthetic_rules", "series = \"1h last external\"", "series = \"1hour last external\"", "1h"),
    ] {
        let faults = Config::read(&rewritten(recipe, from, to)).expect_err(to).to_string();
        let bare = |text: &str| text.replace('`', "");
        assert!(bare(&faults).contains(&bare(wanted)), "{recipe}, `{to}`: expected `{wanted}` in\n{faults}");
        assert!(faults.contains("line "), "{recipe}, `{to}`: {faults}");
    }
}

/// A run over small files of its own; (side, quantity, price) of each fill, and the number of positions.
fn fills(name: &str, config: &str, files: &[(&str, &str)]) -> (Vec<String>, u64) {
    let folder = std::env::temp_dir().join(format!("starling-recipes-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (file, text) in files {
        std::fs::write(folder.join(file), text).unwrap();
    }
    let record = Run::new(config, vec![folder.clone()]).unwrap().execute().unwrap().record;
    std::fs::remove_dir_all(&folder).unwrap();
    (record.fills.iter().map(|f| format!("{:?} {} at {}", f.side, f.qty, f.price)).collect(), record.positions)
}

const ACCOUNT: &str = r#"
name = "convention"
[[accounts]]
venue = "SIM"
kind = "margin"
positions = "hedging"
balances = { USD = 1_000_000 }
[[instruments]]
id = "X/USD.SIM"
template = "spot"
price_digits = 2
qty_digits = 0
"#;

#[test]
fn all_fills_of_an_order_and_all_slices_change_one_hedged_position() {
    let quotes =
        "ts_s,bid,ask,bid_size,ask_size\n1,9.99,10.00,3,3\n2,9.99,10.00,3,3\n3,9.99,10.00,3,3\n8,9.99,10.00,3,3\n";
    let config = format!(
        "{ACCOUNT}{}",
        r#"
[[venues]]
id = "SIM"
activation = "immediate"
consume_liquidity = false
[[data]]
path = "quotes.csv"
instrument = "X/USD.SIM"
kind = "quotes"
[[strategies]]
id = "s"
kind = "scripted"
steps = [
    { instrument = "X/USD.SIM", on_quote = 1, submit = { side = "buy", qty = 5 } },
    { instrument = "X/USD.SIM", on_quote = 2, close = {} },
    { instrument = "X/USD.SIM", on_quote = 3, submit = { side = "buy", qty = 8, twap = { horizon = "4s", interval = "2s" } } },
    { instrument = "X/USD.SIM", on_quote = 4, close = {} },
]
"#
    );
    let (fills, positions) = fills("hedged", &config, &[("quotes.csv", quotes)]);
    let buy = ["Buy 3 at 10", "Buy 2 at 10.01", "Sell 3 at 9.99", "Sell 2 at 9.98"];
    let sliced = ["Buy 3 at 10", "Buy 1 at 10.01", "Buy 3 at 10", "Buy 1 at 10.01", "Sell 3 at 9.99", "Sell 5 at 9.98"];
    assert_eq!(fills, [&buy[..], &sliced[..]].concat());
    assert_eq!(positions, 2);
}

/// Minute bars whose prices tell minute and side.
fn minutes(first: u32) -> String {
    let row = |n: u32| {
        let open = first + n * 10;
        format!("{},{open},{},{},{}\n", n * 60, open + 4, open - 1, open + 2)
    };
    "ts_s,open,high,low,close\n".to_owned() + &(1..=4).map(row).collect::<String>()
}

#[test]
fn an_order_never_meets_a_bar_that_had_ended_when_it_was_sent() {
    let config = |activation: &str, first: &str, second: &str| {
        let side = |side: &str| {
            format!(
                "[[data]]\npath = \"{side}.csv\"\ninstrument = \"X/USD.SIM\"\nkind = \"bars\"\nseries = \"1m {side} external\"\n"
            )
        };
        let venue = format!("[[venues]]\nid = \"SIM\"\nactivation = \"{activation}\"\n");
        let strategy = r#"
[[strategies]]
id = "s"
kind = "scripted"
bars = "1m bid external"
steps = [{ instrument = "X/USD.SIM", on_bar = 2, submit = { side = "buy", qty = 5 } }]
"#;
        format!("{ACCOUNT}{venue}{}{}{strategy}", side(first), side(second))
    };
    let (bid, ask) = (minutes(100), minutes(105));
    let files = [("bid.csv", bid.as_str()), ("ask.csv", ask.as_str())];
    let filled = |activation: &str, first: &str, second: &str| {
        fills("pair", &config(activation, first, second), &files).0.join(", ")
    };
    // The asks open at 115, 125, 135 and close at 117, 127, 137.
    assert_eq!(filled("next_event", "bid", "ask"), "Buy 5 at 135", "not at 125, where its own minute had opened");
    assert_eq!(filled("next_event", "ask", "bid"), "Buy 5 at 135");
    assert_eq!(filled("immediate", "bid", "ask"), "Buy 5 at 117", "the pair of the minute is not there yet");
    assert_eq!(filled("immediate", "ask", "bid"), "Buy 5 at 127");
}

#[test]
fn trade_bars_beside_quotes_tell_the_price_that_sizes_are_computed_at() {
    let quotes = "ts_s,bid,ask,bid_size,ask_size\n60,9.00,11.00,900,900\n120,9.00,11.00,900,900\n";
    let bars = "ts_s,open,high,low,close\n60,10.50,10.50,10.40,10.50\n120,10.50,10.50,10.40,10.50\n";
    let config = format!(
        "{ACCOUNT}{}",
        r#"
[[venues]]
id = "SIM"
activation = "immediate"
[[data]]
path = "quotes.csv"
instrument = "X/USD.SIM"
kind = "quotes"
[[data]]
path = "bars.csv"
instrument = "X/USD.SIM"
kind = "bars"
series = "1m last external"
[[strategies]]
id = "s"
kind = "buy_and_hold"
bars = "1m last external"
weights = [{ instrument = "X/USD.SIM" }]
size = { notional = 1_050 }
execution = { close_on_stop = false }
"#
    );
    // At the midpoint of 10 it would be 105.
    assert_eq!(fills("last", &config, &[("quotes.csv", quotes), ("bars.csv", bars)]).0, ["Buy 100 at 11"]);
}
