use super::*;

fn spec(kind: Kind) -> DataSpec {
    let mut spec = DataSpec::new("x.csv", "X.SIM", kind);
    spec.series = (kind == Kind::Bars).then(|| "1m last external".to_owned());
    spec
}

fn read(spec: &DataSpec, text: &str) -> Result<String, StampFault> {
    let mut clock = Clock::new(spec).unwrap();
    let moment = clock.read(text.as_bytes(), None, None)?;
    clock.settle(moment, UnixNanos::EPOCH).map(|t| t.to_string())
}

#[test]
fn stamps_are_read_as_python_reads_them() {
    let spec = spec(Kind::Quotes);
    for (text, want) in [
        ("1600000020000000000", "2020-09-13T12:27:00Z"),
        ("1582329601096000", "2020-02-22T00:00:01.096Z"),
        ("1637971259999", "2021-11-26T23:59:59+1d"),
        ("1672620536", "2023-01-02T00:48:56Z"),
        ("2013-01-01 22:00:00.295000+00:00", "2013-01-01T22:00:00.295Z"),
        ("2021-12-31 23:01:00.000000", "2021-12-31T23:01:00Z"),
        ("2013-02-01T00:00:00Z", "2013-02-01T00:00:00Z"),
        ("2013-02-01T05:30:00+0530", "2013-02-01T00:00:00Z"),
        ("2013-01-31 19:00:00-05", "2013-02-01T00:00:00Z"),
        ("20070101 21:00", "2007-01-01T21:00:00Z"),
        ("20130101 170000", "2013-01-01T17:00:00Z"),
        ("20130101 170000123", "refused"),
        ("2000-03-01", "2000-03-01T00:00:00Z"),
        ("20000301", "2000-03-01T00:00:00Z"),
        ("2000-02-30", "refused"),
        ("1/4/1999", "refused"),
        ("2013-02-01 24:00", "refused"),
        ("2013-02-01 10:00 PM", "refused"),
        ("-5", "refused"),
        ("", "refused"),
        ("12", "refused"),
    ] {
        let want = if text == "1637971259999" { "2021-11-27T00:00:59.999Z" } else { want };
        assert_eq!(read(&spec, text).unwrap_or("refused".into()), want, "{text}");
    }
}

#[test]
fn local_stamps_follow_the_zone_through_its_changes() {
    let mut spec = spec(Kind::Quotes);
    spec.timezone = Some("America/New_York".into());
    // Python: datetime(..., tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)
    for (text, want) in [
        ("2019-11-05 09:30", "2019-11-05T14:30:00Z"),
        ("2019-07-05 09:30", "2019-07-05T13:30:00Z"),
        ("2019-11-03 00:59", "2019-11-03T04:59:00Z"),
        ("2019-11-03 01:30", "2019-11-03T05:30:00Z"),
        ("2019-11-03 02:00", "2019-11-03T07:00:00Z"),
        ("2019-03-10 02:30", "2019-03-10T07:30:00Z"),
        ("2019-11-03 01:30-05:00", "2019-11-03T06:30:00Z"),
    ] {
        assert_eq!(read(&spec, text).unwrap(), want, "{text}");
    }
    let mut clock = Clock::new(&spec).unwrap();
    let again = clock.read(b"2019-11-03 01:30", None, None).unwrap();
    let passed = UnixNanos::new(1_572_760_740 * SECOND);
    assert_eq!(clock.settle(again, passed).unwrap().to_string(), "2019-11-03T06:30:00Z", "after 01:59 the second hour");
    spec.timezone = Some("America/Newyork".into());
    assert_eq!(Clock::new(&spec).unwrap_err().field, "timezone");
}

#[test]
fn bars_are_seen_at_their_close() {
    let mut spec = spec(Kind::Bars);
    assert_eq!(read(&spec, "2013-02-01 00:01").unwrap(), "2013-02-01T00:01:00Z");
    spec.stamp = Some(Stamp::Open);
    assert_eq!(read(&spec, "2013-02-01 00:01").unwrap(), "2013-02-01T00:02:00Z");
    assert_eq!(read(&spec, "1637971200000").unwrap(), "2021-11-27T00:01:00Z");
    spec.interval = Some("1d".into());
    assert_eq!(read(&spec, "19980102 00:00").unwrap(), "1998-01-03T00:00:00Z", "midnight after, by default");
    spec.timezone = Some("America/New_York".into());
    spec.session_close = Some("16:00".into());
    assert_eq!(read(&spec, "19980102 00:00").unwrap(), "1998-01-02T21:00:00Z");
    spec.stamp = None;
    assert_eq!(read(&spec, "2000-07-03").unwrap(), "2000-07-03T20:00:00Z", "a date alone ends with its session");
    spec.interval = Some("1 fortnight".into());
    assert_eq!(Clock::new(&spec).unwrap_err().field, "interval");
}

#[test]
fn patterns_read_what_iso_does_not() {
    let mut spec = spec(Kind::Bars);
    spec.ts_format = Some("%m/%d/%Y %H:%M".into());
    spec.timezone = Some("America/New_York".into());
    assert_eq!(read(&spec, "11/5/2019 9:30").unwrap(), "2019-11-05T14:30:00Z");
    spec.ts_format = Some("%m/%d/%Y".into());
    assert_eq!(read(&spec, "1/4/1999").unwrap(), "1999-01-05T05:00:00Z");
    assert!(read(&spec, "1999-01-04").unwrap_err().problem.contains("does not fit"));
}

#[test]
fn time_since_midnight_takes_its_date_from_the_name() {
    let mut spec = spec(Kind::Quotes);
    spec.date_from = Some(DateFrom::FileName);
    spec.timezone = Some("America/New_York".into());
    let day = date_in_name("spy.tar.gz > 20131007_quote.zip > 20131007_spy_minute_quote.csv");
    assert_eq!(day, date_in_name("ticks/2013-10-07.csv"));
    assert_eq!(date_in_name("spy_2013_2023.tar.gz > a123456789.csv"), None);
    let mut clock = Clock::new(&spec).unwrap();
    let mut at = |text: &str| {
        let moment = clock.read(text.as_bytes(), None, day).unwrap();
        clock.settle(moment, UnixNanos::EPOCH).unwrap().to_string()
    };
    assert_eq!(at("14400135"), "2013-10-07T08:00:00.135Z");
    assert_eq!(at("14400135.25"), "2013-10-07T08:00:00.135250Z");
    assert!(clock.read(b"86400001", None, day).is_err());
}
