use proptest::prelude::*;

use super::*;

// The line of each row, and its fields.
type Rows = Vec<(u64, Vec<Vec<u8>>)>;

fn rows_in_chunks(text: &[u8], chunk: usize) -> Result<Rows, CsvError> {
    let mut scanner = Scanner::new(b',');
    let mut rows = Vec::new();
    let mut chunks = text.chunks(chunk.max(1));
    loop {
        match scanner.next_row()? {
            Some(row) => rows.push((row.line(), row.iter().map(<[u8]>::to_vec).collect())),
            None => match chunks.next() {
                Some(bytes) => scanner.push(bytes),
                None if scanner.finished => return Ok(rows),
                None => scanner.finish(),
            },
        }
    }
}

fn rows(text: &str) -> Vec<(u64, Vec<String>)> {
    let text_of = |fields: Vec<Vec<u8>>| fields.into_iter().map(|f| String::from_utf8(f).unwrap()).collect();
    let all: Vec<_> = (1..=text.len() + 1).map(|n| rows_in_chunks(text.as_bytes(), n).unwrap()).collect();
    assert!(all.windows(2).all(|w| w[0] == w[1]), "the size of the chunks changes nothing");
    all[0].iter().map(|(line, fields)| (*line, text_of(fields.clone()))).collect()
}

fn of(line: u64, fields: &[&str]) -> (u64, Vec<String>) {
    (line, fields.iter().map(ToString::to_string).collect())
}

// What Python's csv.reader gives for the same texts (empty lines left out).
#[test]
fn texts_are_cut_as_python_cuts_them() {
    assert_eq!(rows("a,b\n1,2\n"), [of(1, &["a", "b"]), of(2, &["1", "2"])]);
    assert_eq!(rows("a,b\r\n1,2"), [of(1, &["a", "b"]), of(2, &["1", "2"])]);
    assert_eq!(rows(",\n,,x"), [of(1, &["", ""]), of(2, &["", "", "x"])]);
    assert_eq!(rows("\n\n1\n\r\n2\n"), [of(3, &["1"]), of(5, &["2"])]);
    assert_eq!(rows("\u{feff}a\n"), [of(1, &["a"])]);
    assert_eq!(
        rows("\"a,b\",\"c\"\"d\"\n\"e\nf\",g\nh,i\n"),
        [of(1, &["a,b", "c\"d"]), of(2, &["e\nf", "g"]), of(4, &["h", "i"])]
    );
    assert_eq!(rows("\"\",\"\"\r\nx,\"y\"\r\n"), [of(1, &["", ""]), of(2, &["x", "y"])]);
    assert_eq!(rows("5\" pipe,1\n"), [of(1, &["5\" pipe", "1"])]);
    assert_eq!(rows(""), []);
}

#[test]
fn what_is_no_csv_is_refused_with_its_line() {
    let fault = |text: &str| rows_in_chunks(text.as_bytes(), 7).unwrap_err();
    assert_eq!(fault("a\nb,\"c\nd"), CsvError::UnclosedQuote { line: 2 });
    assert_eq!(fault("a,\"b\"c\n"), CsvError::TextAfterQuote { line: 1, field: 2 });
    assert_eq!(rows_in_chunks(b"\xFF\xFEa\0", 3).unwrap_err(), CsvError::Utf16);
}

#[test]
fn a_row_without_end_is_refused_before_it_fills_the_memory() {
    for head in ["x", "\"x"] {
        let mut scanner = Scanner::new(b',');
        scanner.push(head.as_bytes());
        let mut pushed = 0;
        let fault = loop {
            match scanner.next_row() {
                Ok(None) => {
                    scanner.push(&[b'1'; 1 << 16]);
                    pushed += 1 << 16;
                    assert!(scanner.buffered() <= ROW_BYTES_MAX + (2 << 16));
                }
                Ok(Some(row)) => panic!("a row of {} fields", row.len()),
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault, CsvError::RowTooLong { line: 1 });
        assert!(pushed >= ROW_BYTES_MAX);
    }
}

#[test]
fn integers_are_whole_or_none() {
    for text in ["0", "7", "-1", "12345678", "123456789", "1600000020000000000", "-9223372036854775807"] {
        assert_eq!(integer(text.as_bytes()), text.parse().ok(), "{text}");
    }
    for text in
        ["", "-", "1.0", "12345678.", "1234567:", "1234/678", "9223372036854775808", "00000000000000000001", "+1"]
    {
        assert_eq!(integer(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #[test]
    fn fields_survive_being_written_and_cut(
        table in prop::collection::vec(prop::collection::vec("[a-z0-9,\"\n\r ]{0,12}", 1..6), 0..8),
        chunk in 1usize..40,
    ) {
        let mut text = String::new();
        for row in &table {
            // One empty field alone is an empty line, unless quoted.
            let quoted = row.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\"")));
            text.push_str(&quoted.collect::<Vec<_>>().join(","));
            text.push('\n');
        }
        let cut: Vec<Vec<Vec<u8>>> =
            rows_in_chunks(text.as_bytes(), chunk).unwrap().into_iter().map(|(_, fields)| fields).collect();
        let wrote: Vec<Vec<Vec<u8>>> =
            table.iter().map(|row| row.iter().map(|f| f.as_bytes().to_vec()).collect()).collect();
        prop_assert_eq!(cut, wrote);
    }

    #[test]
    fn plain_rows_are_what_split_gives(text in "[0-9.\\-,\n]{0,400}", chunk in 1usize..90) {
        let cut: Vec<Vec<Vec<u8>>> =
            rows_in_chunks(text.as_bytes(), chunk).unwrap().into_iter().map(|(_, fields)| fields).collect();
        let split: Vec<Vec<Vec<u8>>> = text
            .split('\n')
            .filter(|line| !line.is_empty())
            .map(|line| line.split(',').map(|f| f.as_bytes().to_vec()).collect())
            .collect();
        prop_assert_eq!(cut, split);
    }

    #[test]
    fn integers_agree_with_the_standard_parser(text in "-?[0-9]{1,20}|[0-9:/ ]{1,17}") {
        let fits = text.trim_start_matches('-').len() <= 19;
        prop_assert_eq!(integer(text.as_bytes()), text.parse::<i64>().ok().filter(|v| fits && *v != i64::MIN));
    }

    #[test]
    fn bytes_are_cut_or_refused_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), chunk in 1usize..50) {
        let _ = rows_in_chunks(&bytes, chunk);
    }
}
