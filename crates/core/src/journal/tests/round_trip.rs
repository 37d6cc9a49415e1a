//! Whatever is written is read back; whatever random damage does, no record is invented.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Append(Kind, u64, Vec<u8>),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let append = (proptest::sample::select(kinds()), any::<u64>(), proptest::collection::vec(any::<u8>(), 0..300));
    prop_oneof![
        8 => append.prop_map(|(kind, ts, payload)| Step::Append(kind, ts, payload)),
        1 => Just(Step::Flush),
    ]
}

fn write(steps: &[Step], finish: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::create(&mut bytes, header());
    for step in steps {
        match step {
            Step::Append(kind, ts, payload) => {
                writer.append(*kind, *ts, payload).map(drop).unwrap();
            }
            Step::Flush => writer.flush().unwrap(),
        }
    }
    if finish {
        writer.finish().unwrap();
    } else {
        writer.flush().unwrap();
    }
    bytes
}

proptest! {
    #[test]
    fn what_is_written_is_read(steps in proptest::collection::vec(step(), 0..60), finish: bool) {
        let bytes = write(&steps, finish);
        let written: Vec<_> = steps.iter().filter_map(|step| match step {
            Step::Append(kind, ts, payload) => Some((*kind, *ts, payload.as_slice())),
            Step::Flush => None,
        }).collect();
        let all = records(&bytes);
        let read: Vec<_> = all.iter()
            .filter(|record| !record.kind.is_seal())
            .map(|record| (record.kind, record.ts, record.payload))
            .collect();
        prop_assert_eq!(&read, &written);
        let found = verify(&bytes).unwrap();
        prop_assert_eq!(found.records, written.len() as u64);
        prop_assert_eq!(found.seals as usize, all.len() - written.len());
        prop_assert_eq!(found.finished, finish);
        prop_assert!(found.sealed || written.is_empty());
        prop_assert_eq!(found, verify_stream(&bytes[..]).unwrap());
    }

    /// Any ranges overwritten, any cut, anything appended: what comes out is a prefix of what went in.
    #[test]
    fn damage_invents_nothing(
        steps in proptest::collection::vec(step(), 1..60),
        wounds in proptest::collection::vec(
            (any::<proptest::sample::Index>(), proptest::collection::vec(any::<u8>(), 1..80)), 1..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
        tail in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let bytes = write(&steps, true);
        let mut damaged = bytes.clone();
        for (at, wound) in wounds {
            let at = at.index(damaged.len());
            let len = wound.len().min(damaged.len() - at);
            damaged[at..at + len].copy_from_slice(&wound[..len]);
        }
        if let Some(cut) = cut {
            damaged.truncate(cut.index(damaged.len()));
        }
        damaged.extend_from_slice(&tail);

        let whole = records(&bytes);
        let (found, error) = prefix(&damaged);
        prop_assert_eq!(&found[..], &whole[..found.len()]);
        if damaged != bytes {
            let clean_cut = error.is_none() && bytes.starts_with(&damaged);
            prop_assert!(error.is_some() || clean_cut);
        }
        if let Some(at) = error.as_ref().and_then(JournalError::truncate_at) {
            let at = usize::try_from(at).unwrap();
            if at > 0 {
                damaged.truncate(at);
                prop_assert!(verify(&damaged).is_ok());
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(verify(&bytes).is_err());
        let behind_a_header = [&header().encode()[..], &bytes].concat();
        prop_assert_eq!(verify(&behind_a_header).is_ok(), bytes.is_empty());
    }
}
