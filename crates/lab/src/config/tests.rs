use super::*;

const WHOLE: &str = r#"name = "test"
[[venues]]
id = "SIM"

[[accounts]]
venue = "SIM"
kind = "cash"
balances = { USD = 1000 }

[[instruments]]
id = "SPY.SIM"
template = "equity"
quote = "USD"

[[data]]
path = "spy.csv"
instrument = "SPY.SIM"
kind = "bars"
series = "1d last external"

[[strategies]]
id = "hold"
kind = "ema_cross"
instrument = "SPY.SIM"
bars = "1d last external"
size = { fixed = 1 }
"#;

fn faults(text: &str) -> Vec<(usize, String, String)> {
    let found = Config::read(text).expect_err("a fault");
    found.0.into_iter().map(|f| (f.line, f.path, f.message)).collect()
}

#[test]
fn a_configuration_without_faults_is_read() {
    let config = Config::read(WHOLE).unwrap();
    assert_eq!(config.instruments[0].name(), Some(("SPY", "SIM")));
    assert_eq!(config.strategies[0].config.kind(), "ema_cross");
}

#[test]
fn every_fault_is_named_at_once_with_its_line() {
    let text = WHOLE
        .replace("template = \"equity\"", "template = \"equity\"\ntikc = \"0.01\"\nqty_digits = \"none\"")
        .replace("kind = \"ema_cross\"", "kind = \"ema_crss\"")
        .replace("kind = \"cash\"", "kind = \"csh\"")
        .replace("name = \"test\"", "name = \"test\"\nsede = 7");
    let found = faults(&text);
    let told: Vec<(usize, &str)> = found.iter().map(|(line, path, _)| (*line, path.as_str())).collect();
    assert_eq!(
        told,
        [
            (2, "sede"),
            (8, "accounts[0].kind"),
            (14, "instruments[0].tikc"),
            (15, "instruments[0].qty_digits"),
            (26, "strategies[0].kind"),
        ],
        "{found:#?}"
    );
    assert!(found[0].2.contains("did you mean `seed`?"), "{}", found[0].2);
    assert!(found[4].2.contains("did you mean `ema_cross`?"), "{}", found[4].2);
}

#[test]
fn names_that_resolve_to_nothing_are_named() {
    let text = WHOLE
        .replace("instrument = \"SPY.SIM\"\nkind = \"bars\"", "instrument = \"SPX.SIM\"\nkind = \"bars\"")
        .replace("venue = \"SIM\"", "venue = \"SIMM\"");
    let found = faults(&text);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().all(|f| f.2.contains("did you mean")), "{found:#?}");
}

#[test]
fn a_missing_section_is_missing() {
    let text = WHOLE.replace("[[venues]]\nid = \"SIM\"\n", "");
    assert!(faults(&text).iter().any(|f| f.1 == "venues" && f.2.starts_with("is missing; add")));
}

#[test]
fn values_are_set_by_path() {
    let set = |path: &str, value: &str| Config::with_values(WHOLE, &[(path.into(), value.into())]);
    let config = Config::read(&set("data.path", "other.csv").unwrap()).unwrap();
    assert_eq!(config.data[0].path.as_ref().unwrap().as_slice(), ["other.csv"]);
    let config = Config::read(&set("strategies.0.fast", "3").unwrap()).unwrap();
    assert!(serde_json::to_string(&config.strategies[0]).unwrap().contains("\"fast\":3"));
    assert!(set("strategies.7.fast", "3").unwrap_err().to_string().contains("only 1 elements"));
    assert!(set("name.first", "x").unwrap_err().to_string().contains("no fields"));
}

#[test]
fn every_key_of_the_configuration_stands_in_the_schema() {
    let schema = Config::schema();
    let keys = schema["properties"].as_object().unwrap();
    for section in ["name", "seed", "venues", "accounts", "instruments", "data", "bars", "risk", "strategies"] {
        assert!(keys.contains_key(section), "{section}");
    }
}
