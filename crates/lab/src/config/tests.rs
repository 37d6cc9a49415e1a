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

/// What can be judged without data is judged, all of it, at its line.
#[test]
fn tables_of_data_are_judged_before_any_file_is_opened() {
    let more = "kind = \"bars\"\ntimezone = \"America/NewYork\"\nsession_close = \"25:99\"\nfrom = \"2010-13-01\"";
    let found = faults(&WHOLE.replace("kind = \"bars\"", more));
    let told: Vec<(usize, &str)> = found.iter().map(|(line, path, _)| (*line, path.as_str())).collect();
    assert_eq!(told, [(19, "data[0].timezone"), (20, "data[0].session_close"), (21, "data[0].from")], "{found:#?}");
    let one = |line: &str| {
        let found = faults(&WHOLE.replace("kind = \"bars\"", &format!("kind = \"bars\"\n{line}")));
        assert_eq!(found.len(), 1, "{found:#?}");
        (found[0].0, format!("{} {}", found[0].1, found[0].2))
    };
    let range = one("to = \"2011-01-01\"\nfrom = \"2012-01-01\"");
    assert_eq!(range, (19, "data[0].to is `2011-01-01`, which is not after `from`, so no row lies between".into()));
    assert_eq!(one("limit = 0"), (19, "data[0].limit is 0, so no row would be read; leave it out to read all".into()));
    let path = |value: &str| faults(&WHOLE.replace("path = \"spy.csv\"", &format!("path = {value}")));
    let of_path = |message: &str| vec![(16, "data[0].path".to_owned(), message.to_owned())];
    assert_eq!(path("\"\""), of_path("is empty; name a file"));
    assert_eq!(path("[]"), of_path("is empty; name a file"));
    assert_eq!(path("5"), of_path("must be a path in quotes, or a list of paths in brackets"));
}

const SWARM: &str = r#"
[[strategies]]
id = "swarm"
kind = "follow"
bars = "1d last external"
size = { fixed = 1 }
weights = [{ instrument = "SPY.SIM" }]

[swarm]
follower = "swarm"

[[swarm.agents]]
id = "first"
role = "momentum"
instruments = ["SPY.SIM"]
[swarm.agents.strategy]
kind = "momentum"
bars = "1d last external"
lookback = 20
size = { fixed = 1 }

[[swarm.agents]]
id = "second"
role = "trend"
strategy = { kind = "ema_cross", instrument = "SPY.SIM", bars = "1d last external", fast = 5, slow = 9, size = { fixed = 1 } }
"#;

/// As those of `[[strategies]]` are: at its line, by its name, with what was meant.
#[test]
fn what_is_wrong_in_an_agent_is_told_where_it_stands() {
    let whole = format!("{WHOLE}{SWARM}");
    Config::read(&whole).unwrap();
    let line = |text: &str| 1 + whole.lines().position(|line| line == text).unwrap();
    let at = |wrong: &[(&str, &str)]| {
        let text = wrong.iter().fold(whole.clone(), |text, (from, to)| {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text.replace(from, to)
        });
        faults(&text)
    };
    let found = at(&[("lookback = 20", "lokback = 20"), ("fast = 5", "fast = 12")]);
    let told: Vec<(usize, &str)> = found.iter().map(|(line, path, _)| (*line, path.as_str())).collect();
    let second = 1 + whole.lines().position(|line| line.starts_with("strategy = {")).unwrap();
    assert_eq!(
        told,
        [(line("lookback = 20"), "swarm.agents[0].strategy.lokback"), (second, "swarm.agents[1].strategy.fast")],
        "{found:#?}"
    );
    assert!(found[0].2.contains("did you mean `lookback`?"), "{}", found[0].2);
    assert_eq!(found[1].2, "is 12, but must be less than slow, which is 9");
    let found = at(&[("kind = \"momentum\"", "kind = \"momentun\""), ("id = \"second\"", "id = \"first\"")]);
    let told: Vec<(usize, &str)> = found.iter().map(|(line, path, _)| (*line, path.as_str())).collect();
    let kind = (line("kind = \"momentum\""), "swarm.agents[0].strategy.kind");
    assert_eq!(told, [kind, (line("id = \"second\""), "swarm.agents[1].id")], "{found:#?}");
    assert!(found[0].2.contains("did you mean `momentum`?"), "{}", found[0].2);
    let found = at(&[("lookback = 20", "lookback = \"long\"")]);
    assert_eq!((found.len(), found[0].0), (1, line("lookback = 20")), "{found:#?}");
}

/// A strategy that waits for bars which nobody hands over would trade nothing, and say nothing.
#[test]
fn bars_that_no_table_holds_are_told() {
    let whole = format!("{WHOLE}{SWARM}");
    let found = faults(&whole.replacen(
        "kind = \"ema_cross\"\ninstrument = \"SPY.SIM\"\nbars = \"1d",
        "kind = \"ema_cross\"\ninstrument = \"SPY.SIM\"\nbars = \"1h",
        1,
    ));
    let message = "is `1h last external`, but the [[data]] of SPY.SIM holds `1d last external`; name what there is, or \
        `1h last internal`, which is built from quotes and trades";
    assert_eq!(found, [(25, "strategies[0].bars".to_owned(), message.to_owned())]);
    let found = faults(&whole.replace("bars = \"1d last external\"\nlookback", "bars = \"1d bid external\"\nlookback"));
    assert_eq!((found.len(), found[0].1.as_str()), (1, "swarm.agents[0].strategy.bars"), "{found:#?}");
    // Every instrument of a portfolio needs them.
    let second = "[[instruments]]\nid = \"QQQ.SIM\"\ntemplate = \"equity\"\nquote = \"USD\"\n\n[[data]]";
    let weights = "weights = [{ instrument = \"SPY.SIM\" }, { instrument = \"QQQ.SIM\" }]";
    let text = whole.replace("weights = [{ instrument = \"SPY.SIM\" }]", weights).replacen("[[data]]", second, 1);
    let found = faults(&text);
    assert!(found.len() == 1 && found[0].2.contains("no [[data]] table of QQQ.SIM holds bars"), "{found:#?}");
    // Legitimate: what is built here, however the text is written, and what a faulty table might hold.
    for bars in ["1h", "1h last internal", "1d external", "1w last composite(1d)"] {
        let text = WHOLE.replace("bars = \"1d last external\"", &format!("bars = \"{bars}\""));
        assert!(Config::read(&text).is_ok(), "{bars}: {:?}", Config::read(&text));
    }
    let found = faults(&WHOLE.replace("series = \"1d last external\"", "series = \"1 day\""));
    assert_eq!((found.len(), found[0].1.as_str()), (1, "data[0].series"), "{found:#?}");
}

#[test]
fn a_balance_that_no_pair_leads_to_the_base_is_told() {
    let based = |balances: &str, instruments: &str| {
        let account = format!("kind = \"margin\"\nbase = \"USD\"\nbalances = {{ {balances} }}");
        let text = WHOLE.replace("kind = \"cash\"\nbalances = { USD = 1000 }", &account);
        Config::read(&text.replacen("[[instruments]]", &format!("{instruments}[[instruments]]"), 1))
    };
    let pair = |id: &str| format!("[[instruments]]\nid = \"{id}.SIM\"\ntemplate = \"fx\"\n\n");
    let fault = based("EUR = 1_000_000", "").unwrap_err().0;
    assert_eq!((fault.len(), fault[0].path.as_str(), fault[0].line), (1, "accounts[0].balances", 9));
    assert!(fault[0].message.starts_with("EUR has no pair to the base USD"), "{}", fault[0].message);
    assert!(based("EUR = 1_000_000, USD = 5", &pair("GBP/USD")).is_err(), "another pair");
    assert!(based("EUR = 1_000_000", &pair("EUR/USD")).is_ok(), "a pair");
    assert!(based("JPY = 1_000_000", &pair("USD/JPY")).is_ok(), "its inverse");
    assert!(based("EUR = 1_000_000", &(pair("EUR/GBP") + &pair("GBP/USD"))).is_ok(), "two pairs");
    assert!(based("EUR = 0, USD = 5", "").is_ok(), "nothing");
}

#[test]
fn many_faults_alike_are_told_once_and_counted() {
    let noise: String = (0..400).map(|n| format!("{n} is no line of this kind\n")).collect();
    let found = faults(&noise);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[0].0 == 1 && found[..3].is_sorted_by_key(|fault| fault.0), "{found:#?}");
    assert!(found[3].2.starts_with("and ") && found[3].2.ends_with(" more of the kind"), "{found:#?}");
    let more: String = (0..40)
        .map(|n| format!("[[instruments]]\nid = \"X{n}.SMI\"\ntemplate = \"equity\"\nquote = \"USD\"\n"))
        .collect();
    let found = faults(&WHOLE.replacen("[[instruments]]", &(more + "[[instruments]]"), 1));
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[2].2.ends_with("(and 37 more like this)"), "{}", found[2].2);
}

#[test]
fn a_name_is_one_line_of_letters() {
    let found = faults(&WHOLE.replace("\"test\"", "\"a\\u001b[2Jb\"").replace("id = \"hold\"", "id = \"two\\nlines\""));
    let told: Vec<(usize, &str)> = found.iter().map(|(line, path, _)| (*line, path.as_str())).collect();
    assert_eq!(told, [(1, "name"), (22, "strategies[0].id")], "{found:#?}");
}

#[test]
fn the_line_of_a_place_is_found_or_the_nearest() {
    let line = |place: &str| Config::line(WHOLE, place);
    assert_eq!([line("data[0].path"), line("data[0].bid"), line("data[3].path")], [Some(16), Some(15), Some(15)]);
    assert_eq!([line("nothing"), Config::line("\0", "data")], [None, None]);
}

#[test]
fn bounds_of_the_autoscaler_are_told_as_written() {
    let text = format!("{WHOLE}{SWARM}[swarm.process]\nautoscale = {{ min = 9, max = 2 }}\npatience = \"0s\"\n");
    let found = faults(&text);
    let told: Vec<&str> = found.iter().map(|(_, _, message)| message.as_str()).collect();
    assert!(told[0].contains("between 9 and 2"), "{told:?}");
    assert_eq!(told[1], "is 0 s, but must be 1 s or more");
}
