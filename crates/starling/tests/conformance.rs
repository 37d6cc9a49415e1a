//! Backtests whose final balance somebody else computed (`examples/conformance`, `examples/peers`), and what must hold of
//! every run: the order of declaration changes nothing, a second run and a replay are equal, postings balance.
//!
//! The numbers of C1, C3, C8 and C10 are those of the acceptance tests of nautechsystems/nautilus_trader (snapshot
//! a95c8042b0); those of the peers are printed by the script that makes the data. Cases over real data look for it under
//! `STARLING_DATA`, else in `../shared/data` beside the workspace; without it they say so on stderr and pass.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod runner;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use starling_core::Money;
use starling_core::journal::{Kind, Reader};
use starling_engine::ledger::Posting;
use starling_lab::run::Run;

use runner::{backtest, data_dir, example, run, skip, workspace};

/// A conformance run; none without the data it needs.
fn case(name: &str, needs_data: bool) -> Option<Value> {
    let config = example(&format!("conformance/{name}.toml"));
    if !needs_data {
        return Some(backtest(&config, &[]));
    }
    data_dir(name).map(|data| backtest(&config, &["--data-dir", &data]))
}

fn counts(run: &Value) -> [u64; 4] {
    ["orders", "fills", "positions", "account_events"].map(|key| run[key].as_u64().unwrap())
}

#[test]
fn c1_ema_cross_on_quotes_from_bars() {
    let Some(run) = case("c1", true) else { return };
    assert_eq!(run["balances"], json!({ "BINANCE": { "BTC": "10.00000000", "USDT": "9999954.94313300" } }));
    assert_eq!(counts(&run), [902, 902, 1, 903], "an account event for the opening and one for each fill");
    assert_eq!((&run["events"], &run["indicators"]["EMA(10)"]["count"]), (&json!(40_000), &json!(10_000)));
}

#[test]
fn c3_ema_cross_with_conversion() {
    let Some(run) = case("c3", true) else { return };
    assert_eq!(run["balances"], json!({ "SIM": { "USD": "996754.88" } }));
    assert_eq!(counts(&run), [178, 178, 89, 179]);
    assert_eq!((&run["events"], &run["indicators"]["EMA(20)"]["count"]), (&json!(115_044), &json!(2_689)));
}

#[test]
fn c8_profit_and_loss_cycles() {
    let run = case("c8", false).unwrap();
    assert_eq!(run["balances"], json!({ "SIM": { "USD": "1000015.60" } }));
    assert_eq!(run["equity"], run["balances"], "position sum, account change and portfolio are one");
    assert_eq!(counts(&run), [6, 6, 1, 7]);
    assert_eq!(run["events"], 70);
    // 18 - 12 + 18 USD before six fees of 1.40.
    let outcome = Run::new(read(&example("conformance/c8.toml")), vec![workspace().join("examples/conformance")]);
    let record = outcome.unwrap().execute().unwrap().record;
    let trips: Vec<String> =
        record.round_trips.iter().map(|t| format!("{:.2} - {:.2}", t.pnl + t.fees, t.fees)).collect();
    let gross: Vec<String> = record.fills.iter().filter_map(|f| f.realised.clone()).collect();
    assert_eq!(trips.len(), 3, "{trips:?}");
    assert_eq!(gross, ["18", "-12", "18"]);
    assert!(record.fills.iter().all(|f| f.fee == "1.4"), "{:?}", record.fills);
}

#[test]
fn c10_grid_market_maker() {
    let ten = case("c10", false).unwrap();
    assert_eq!((counts(&ten), &ten["events"]), ([6, 0, 0, 1], &json!(10)), "a drift of 9 basis points moves no grid");
    let one = case("c10_one_quote", false).unwrap();
    assert_eq!((counts(&one), &one["events"]), ([2, 0, 0, 1], &json!(1)), "0.150 leaves room for one order of 0.100");
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("starling-conformance-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Quotes of one instrument, `offset` milliseconds after each second: no stamp is that of another instrument.
fn quotes(offset: u64, price: f64, spread: f64, digits: usize) -> String {
    let mut text = "ts_ms,bid,ask,bid_size,ask_size\n".to_owned();
    let mut state = offset.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for n in 0..3_000_u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (state >> 40) as f64 / f64::from(1 << 24) - 0.5;
        let bid = price * (1.0 + 0.02 * (n as f64 / 150.0).sin() + 0.001 * noise);
        let ts = 1_700_000_000_000 + n * 1_000 + offset;
        writeln!(text, "{ts},{bid:.digits$},{:.digits$},{},{}", bid + spread, 1 + n % 7, 1 + n % 5).unwrap();
    }
    text
}

/// Two venues, three accounts, three instruments, four strategies, distinct stamps, latency drawn from the seed.
const SEVERAL: &str = r#"
name = "permutations"
seed = 7
reporting_currency = "USD"
[[venues]]
id = "ZETA"
order_latency = { uniform = ["1ms", "900ms"] }
[[venues]]
id = "ALPHA"
slippage = { chance = 0.3 }
[[accounts]]
id = "Z"
venue = "ZETA"
kind = "margin"
base = "USD"
balances = { USD = 100_000 }
[[accounts]]
id = "A2"
venue = "ALPHA"
kind = "margin"
positions = "hedging"
balances = { USD = 50_000 }
[[accounts]]
id = "A1"
venue = "ALPHA"
kind = "cash"
balances = { USD = 500_000, BTC = 3 }
[[instruments]]
id = "EUR/USD.ZETA"
template = "fx"
lot = 1
[[instruments]]
id = "BTC/USD.ALPHA"
template = "spot"
price_digits = 2
qty_digits = 3
taker_fee = 0.001
[[instruments]]
id = "BTC/EUR.ZETA"
template = "spot"
price_digits = 2
qty_digits = 3
taker_fee = 0.002
[[data]]
path = "btcusd.csv"
instrument = "BTC/USD.ALPHA"
kind = "quotes"
[[data]]
path = "eurusd.csv"
instrument = "EUR/USD.ZETA"
kind = "quotes"
[[data]]
path = "btceur.csv"
instrument = "BTC/EUR.ZETA"
kind = "quotes"
[[strategies]]
id = "spot"
accounts = ["A1"]
kind = "ema_cross"
instrument = "BTC/USD.ALPHA"
bars = "30s bid internal"
size = { fixed = 0.5 }
execution = { direction = "long_only" }
[[strategies]]
id = "margin"
accounts = ["A2"]
kind = "ema_cross"
instrument = "BTC/USD.ALPHA"
bars = "10s mid internal"
size = { notional = 10_000 }
[[strategies]]
id = "euros"
kind = "ema_cross"
instrument = "BTC/EUR.ZETA"
bars = "20t ask internal"
size = { fixed = 0.25 }
execution = { twap = { horizon = "6s", interval = "2s" } }
[[strategies]]
id = "currency"
kind = "ema_cross"
instrument = "EUR/USD.ZETA"
bars = "15s mid internal"
size = { fixed = 12_345 }
"#;

fn several(folder: &Folder) {
    let write = |name: &str, text: String| std::fs::write(folder.0.join(name), text).unwrap();
    write("btcusd.csv", quotes(1, 30_000.0, 1.5, 2));
    write("eurusd.csv", quotes(2, 1.1, 0.0001, 5));
    write("btceur.csv", quotes(3, 27_000.0, 2.5, 2));
}

/// The run hash of a configuration, and how many orders there were.
fn hash(text: &str, folder: &Folder) -> (String, u64) {
    let outcome = Run::new(text, vec![folder.0.clone()]).unwrap().execute().unwrap();
    (outcome.run_hash.to_string(), outcome.counts.orders)
}

#[test]
fn the_order_of_declaration_changes_nothing() {
    let folder = Folder::new("permutations");
    several(&folder);
    let (expected, orders) = hash(SEVERAL, &folder);
    assert!(orders > 50, "a test of {orders} orders says little");
    assert_eq!(hash(SEVERAL, &folder).0, expected, "two runs are equal");
    assert_ne!(hash(&SEVERAL.replace("seed = 7", "seed = 8"), &folder).0, expected, "the hash sees a drawn latency");
    let root: toml::Table = SEVERAL.parse().unwrap();
    let reordered = |sections: &[&str], reorder: fn(&mut [toml::Value])| {
        let mut root = root.clone();
        for section in sections {
            reorder(root[*section].as_array_mut().unwrap());
        }
        toml::to_string(&root).unwrap()
    };
    let sections = ["instruments", "venues", "accounts", "strategies", "data"];
    let orders: [fn(&mut [toml::Value]); 3] = [<[_]>::reverse, |all| all.rotate_left(1), |all| all.swap(0, 1)];
    for reorder in orders {
        for section in sections {
            assert_eq!(hash(&reordered(&[section], reorder), &folder).0, expected, "[[{section}]]");
        }
        assert_eq!(hash(&reordered(&sections, reorder), &folder).0, expected, "all at once");
    }
}

/// Sums of all postings of a journal by transaction and currency, and how many there are.
fn postings(journal: &Path) -> (BTreeMap<(u64, u16), Money>, usize) {
    let bytes = std::fs::read(journal).unwrap();
    let (mut sums, mut count) = (BTreeMap::new(), 0);
    for record in Reader::new(&bytes).unwrap() {
        let record = record.unwrap();
        if record.kind == Kind::Posting {
            let posting: Posting = postcard::from_bytes(record.payload).unwrap();
            *sums.entry((posting.txn, posting.currency.0)).or_insert(Money::ZERO) += posting.amount;
            count += 1;
        }
    }
    (sums, count)
}

/// Runs a configuration with a journal, replays it, and adds its postings up.
fn assert_replays(name: &str, config: &str, data: &str, out: &Folder) -> Value {
    let journal = out.file(&format!("{name}.journal"));
    let told = backtest(config, &["--data-dir", data, "--journal", &journal]);
    let beside = Path::new(config).parent().unwrap().display().to_string();
    let replayed = run(&["replay", &journal, "--json", "--data-dir", &beside, "--data-dir", data]);
    assert_eq!((&replayed["verified"], &replayed["run_hash"]), (&json!(true), &told["run_hash"]), "{name}");
    let (sums, count) = postings(Path::new(&journal));
    assert!(count > told["fills"].as_u64().unwrap() as usize, "{name}: every fill posts");
    assert!(sums.values().all(|sum| sum.is_zero()), "{name}: a transaction does not balance");
    told
}

#[test]
fn a_journal_replays_and_its_postings_balance() {
    let out = Folder::new("replay");
    several(&out);
    std::fs::write(out.0.join("several.toml"), SEVERAL).unwrap();
    let told = assert_replays("several", &out.file("several.toml"), &out.0.display().to_string(), &out);
    assert_eq!(told["run_hash"], hash(SEVERAL, &out).0, "a journal changes nothing");
    for name in ["c8", "c10", "c10_one_quote"] {
        assert_replays(name, &example(&format!("conformance/{name}.toml")), ".", &out);
    }
    assert_replays("synthetic_rules", &example("recipes/synthetic_rules.toml"), ".", &out);
    let Some(data) = data_dir("replays over real data") else { return };
    for name in ["conformance/c1", "conformance/c3", "recipes/several_venues", "recipes/perpetual_inverse"] {
        assert_replays(&name.replace('/', "-"), &example(&format!("{name}.toml")), &data, &out);
    }
}

/// The workloads that peers were measured on: the script that makes them also prints what an engine must give.
#[test]
fn peers_reference_rule_on_bars_and_on_quotes() {
    let Some(data) = data_dir("peers") else { return };
    let script = Path::new(&data).join("../tools/peer_data.py");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let out = Folder::new("peers");
    for kind in ["bars", "quotes"] {
        let file = out.file(&format!("{kind}.csv"));
        let made = Command::new(&python).arg(&script).args([kind, "20000", &file]).output();
        let answer = match made {
            Ok(output) if output.status.success() => output.stdout,
            Ok(output) => {
                return skip("peers", String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or(""));
            }
            Err(error) => return skip("peers", &format!("{python}: {error}")),
        };
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let set = format!("data.path={file}");
        let run = backtest(&example(&format!("peers/{kind}.toml")), &["--set", &set]);
        assert_eq!(run["orders"], answer["orders"], "{kind}");
        for (key, of) in [("balance", "balances"), ("equity", "equity")] {
            let ours: f64 = run[of]["SIM"]["USDT"].as_str().unwrap().parse().unwrap();
            let theirs = answer[key].as_f64().unwrap();
            assert!(
                (ours - theirs).abs() < 5e-7 + theirs * 1e-15,
                "{kind} {key}: {ours}, but the script says {theirs}"
            );
        }
    }
}
