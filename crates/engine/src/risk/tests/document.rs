//! The table, its documentation page and its configuration agree.

use std::fmt::Write;
use std::path::Path;

use super::*;

/// `docs/risk.md`, made from the table.
fn page() -> String {
    let mut page = String::from(
        "# Pre-trade risk checks\n\n\
        Made from the table in `crates/engine/src/risk/table.rs`; a test keeps it current \
        (`STARLING_WRITE_DOCS=1 cargo test -p starling-engine risk::tests::document` writes it).\n\n\
        The name of a check is its key under `[risk]` and the code of its denials. A key marked * can be set for one \
        instrument too, under `[risk.instruments.\"SYMBOL\"]`. Money is in the account's reporting currency unless said \
        otherwise. A limit is the largest or smallest value that still passes. Without a default a check is off. There \
        is no switch that turns the gate off: tests that want no limits configure large ones.\n\n\
        Every order counts at its worst case from approval until it is terminal. What can only reduce a position is not \
        refused by the checks on credit, gross value, leverage, margin, net position, stale data, clock or unknown \
        orders. States: `active`, `reducing` (only what reduces a position), `halted` (only cancels); limits and \
        commands move down, only a command moves up.\n\n\
        RTS 6 is Commission Delegated Regulation (EU) 2017/589, 15c3-5 the SEC's market access rule. These are controls; \
        the duties under the rules stay with the operator.\n\n\
        | check | rule it answers | counted over | default | example | what it does |\n|---|---|---|---|---|---|\n",
    );
    let defaults = toml::Table::try_from(RiskLimits::default()).unwrap();
    for check in CHECKS {
        let star = if check.per_instrument { "*" } else { "" };
        let code = |text: &str| if text.is_empty() { "–".to_owned() } else { format!("`{text}`") };
        let default = match (check.parameter, defaults.get(check.name)) {
            ("", _) => "always on".to_owned(),
            (_, None) => "off".to_owned(),
            (_, Some(value)) => code(&value.to_string()),
        };
        let Check { name, rule, scope, example, doc, .. } = check;
        writeln!(page, "| `{name}`{star} | {rule} | {scope} | {default} | {} | {} |", code(example), doc.trim())
            .unwrap();
    }
    page
}

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/risk.md");
    let page = page();
    if std::env::var_os("STARLING_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), page, "write docs/risk.md again; it says how");
}

#[test]
fn names_codes_and_keys_are_one() {
    let mut examples = String::new();
    for (place, check) in CHECKS.iter().enumerate() {
        assert_eq!(check.code.check(), check, "row {place} stands where its code points");
        assert_eq!(serde_json::to_value(check.code).unwrap(), check.name);
        assert!(check.doc.trim().ends_with('.'), "{}", check.name);
        if !check.example.is_empty() {
            writeln!(examples, "{} = {}", check.name, check.example).unwrap();
        }
    }
    // Every key takes its example, in the run's limits and where it may in an instrument's; and nothing else is taken.
    let limits: RiskLimits = toml::from_str(&examples).unwrap();
    let keys = toml::Table::try_from(&limits).unwrap();
    for check in CHECKS {
        assert_eq!(keys.contains_key(check.name), !check.example.is_empty(), "{}", check.name);
        let line = format!("[instruments.\"BTC/USD\"]\n{} = {}\n", check.name, check.example);
        assert_eq!(toml::from_str::<RiskLimits>(&line).is_ok(), check.per_instrument, "{}", check.name);
    }
    assert_eq!(toml::from_str::<RiskLimits>(&toml::to_string(&limits).unwrap()).unwrap(), limits);
    assert!(
        toml::from_str::<RiskLimits>("order_qty_maximum = \"5\"").unwrap_err().to_string().contains("unknown field")
    );
}

#[test]
fn all_faults_of_the_limits_are_told_at_once() {
    let text = r#"
        order_qty_max = "-1"
        daily_loss_max = "-5"
        restricted_list = ["NOPE"]
        session_hours = { days = [0, 8], open_minute = 1440, close_minute = 0 }
        repeat_execution_throttle = { executions = 0, window_ns = 1 }
        message_rate_max = { cancel_reserve = 100_000 }
        [instruments."NEITHER"]
        order_qty_min = "5"
        order_qty_max = "4"
    "#;
    let desk = Desk::new(AccountKind::Cash);
    let limits: RiskLimits = toml::from_str(text).unwrap();
    let faults = RiskGate::new(&limits, &desk.instruments, &desk.currencies).unwrap_err();
    let keys: Vec<_> = faults.0.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "risk.daily_loss_max",
            "risk.repeat_execution_throttle.executions",
            "risk.message_rate_max.venue.burst",
            "risk.message_rate_max.strategy.burst",
            "risk.order_qty_max",
            "risk.session_hours.days",
            "risk.session_hours.open_minute",
            "risk.session_hours.close_minute",
            "risk.instruments",
            "risk.instruments.\"NEITHER\".order_qty_min",
            "risk.restricted_list",
        ]
    );
    assert!(faults.to_string().starts_with("`risk.daily_loss_max` is -5, but must be zero or more\n"), "{faults}");
}
