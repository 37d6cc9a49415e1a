//! Known answers of RFC 8032, section 7.1, and what the strict rule refuses.

use proptest::prelude::*;

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn seed(text: &str) -> [u8; 32] {
    unhex(text).try_into().unwrap()
}

/// Bytes without a domain, as only a known answer needs them.
fn bare(bytes: &[u8]) -> Transcript {
    Transcript { bytes: bytes.to_vec() }
}

fn statement(purpose: &'static str, value: u64) -> Transcript {
    let mut transcript = Transcript::new(purpose);
    transcript.u64(value);
    transcript
}

/// Secret key, public key, message, signature: tests 1, 2, 3 and SHA(abc).
const RFC_8032: [[&str; 4]; 4] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ],
];

#[test]
fn rfc_8032_vectors() {
    for (number, [secret, public, message, signature]) in RFC_8032.into_iter().enumerate() {
        let agent = AgentId(number as u32);
        let identity = Identity::new(agent, &seed(secret));
        assert_eq!(identity.public().ed25519.to_vec(), unhex(public), "public key {number}");
        let signed = identity.sign(&bare(&unhex(message)));
        assert_eq!(signed.ed25519().to_vec(), unhex(signature), "signature {number}");
        let mut book = KeyBook::new();
        book.insert(agent, &identity.public()).unwrap();
        assert_eq!(book.verify(agent, &bare(&unhex(message)), &signed), Ok(()));
    }
}

fn pair() -> (Identity, Identity, KeyBook) {
    let (a, b) = (Identity::new(AgentId(1), &[1; 32]), Identity::new(AgentId(2), &[2; 32]));
    let mut book = KeyBook::new();
    book.insert(a.agent(), &a.public()).unwrap();
    book.insert(b.agent(), &b.public()).unwrap();
    (a, b, book)
}

#[test]
fn a_signature_is_one_agents_for_one_purpose_and_one_statement() {
    let (a, b, book) = pair();
    let signature = a.sign(&statement("vote", 7));
    assert_eq!(book.verify(a.agent(), &statement("vote", 7), &signature), Ok(()));
    let wrong = Err(IdentityError::Invalid(a.agent()));
    assert_eq!(book.verify(a.agent(), &statement("proposal", 7), &signature), wrong);
    assert_eq!(book.verify(a.agent(), &statement("vote", 8), &signature), wrong);
    assert_eq!(book.verify(b.agent(), &statement("vote", 7), &signature), Err(IdentityError::Invalid(b.agent())));
    assert_eq!(book.verify(AgentId(3), &statement("vote", 7), &signature), Err(IdentityError::Unknown(AgentId(3))));
}

#[test]
fn fields_cannot_slide_into_each_other() {
    let text = |parts: &[&[u8]]| {
        let mut transcript = Transcript::new("text");
        parts.iter().for_each(|part| transcript.bytes(part));
        transcript.digest()
    };
    assert_ne!(text(&[b"ab", b"c"]), text(&[b"a", b"bc"]));
    assert_ne!(text(&[b""]), text(&[]));
    assert_ne!(Transcript::new("ab").digest(), Transcript::new("a").digest());
}

#[test]
fn the_book_takes_no_weak_shared_or_second_key() {
    let (a, b, mut book) = pair();
    assert_eq!(book.insert(a.agent(), &a.public()), Ok(()));
    assert_eq!(book.insert(a.agent(), &b.public()), Err(IdentityError::Replaced(a.agent())));
    let third = AgentId(3);
    assert_eq!(book.insert(third, &b.public()), Err(IdentityError::Shared(third)));
    // The neutral element, a point of order 8 (RFC 8032's curve; both in every list of small-order points), y = p + 1,
    // and a y off the curve.
    for weak in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0200000000000000000000000000000000000000000000000000000000000000",
    ] {
        let key = PublicKey { ed25519: seed(weak), ml_dsa: None };
        assert_eq!(book.insert(third, &key), Err(IdentityError::Key(third)), "{weak}");
    }
    assert!(!book.contains(third));
}

/// S + L signs the same equation; RFC 8032 wants S below the group's order L.
#[test]
fn a_signature_has_no_second_form() {
    let (a, _, book) = pair();
    let transcript = statement("vote", 7);
    let mut signature = a.sign(&transcript);
    let order = seed("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0;
    for (byte, add) in signature.s.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(book.verify(a.agent(), &transcript, &signature), Err(IdentityError::Invalid(a.agent())));
}

/// Made by `scripts/ed25519_golden.py`, which shares no code with the crate: message number, R, S.
#[test]
fn no_signature_begins_with_a_point_of_small_order() {
    const KEY: &str = "d81b4e5f6d429a78d53465032d3479467e65712f7479ca2b09e87397cbdb981d";
    let vectors = [
        (
            6,
            "0100000000000000000000000000000000000000000000000000000000000000",
            "c7bf4540f3a70f6d7a54be1e754941c74d8007161e51f04ea5cbe90b0c271c02",
        ),
        (
            6,
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "80890f03356b1ba19af18dafeea4adb73408335654577493eac4c7cca7e3f602",
        ),
        (
            1,
            "0000000000000000000000000000000000000000000000000000000000000080",
            "b4b578c47fddd13413dcf9bdd59e58daeae9ade704fc24d83bad8234bfaa8905",
        ),
        (
            14,
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "ca2c2542238c2f2e08ed93b3c497ea47442bef7514f40870a296a891e085b006",
        ),
        (
            3,
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "2379366bf8076ad9887bf263f2fa0b471cfe716fb7f3636738e2bd4a90590906",
        ),
        (
            3,
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "f413b716f363da80928d9093eaa0bf2646aaa017d94b1927b19179cf41299a0f",
        ),
        (
            4,
            "0000000000000000000000000000000000000000000000000000000000000000",
            "baf9b515ac5c73eb134daf2d131ae257a754e2a5654164c600653ada75760403",
        ),
        (
            18,
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
            "43a84063af3317efd05b0139e0a3c197cfaa3510edfeec628b1665ee6048ba03",
        ),
    ];
    let agent = AgentId(1);
    let mut book = KeyBook::new();
    book.insert(agent, &PublicKey { ed25519: seed(KEY), ml_dsa: None }).unwrap();
    let key = VerifyingKey::from_bytes(&seed(KEY)).unwrap();
    for (number, r, s) in vectors {
        let message = u64::to_le_bytes(number);
        let signature = Signature { r: seed(r), s: seed(s), ml_dsa: None };
        let classical = ed25519_dalek::Signature::from_components(signature.r, signature.s);
        assert!(key.verify(&message, &classical).is_ok(), "{r}: the equation holds");
        assert!(key.verify_strict(&message, &classical).is_err(), "{r}");
        assert_eq!(book.verify(agent, &bare(&message), &signature), Err(IdentityError::Invalid(agent)), "{r}");
    }
}

#[test]
fn a_batch_names_the_first_that_does_not_hold() {
    let (a, b, book) = pair();
    let statements: Vec<Transcript> = (0..5).map(|value| statement("vote", value)).collect();
    let mut signatures: Vec<Signature> = statements.iter().map(|statement| a.sign(statement)).collect();
    let check = |signatures: &[Signature]| {
        let claims = statements.iter().zip(signatures);
        book.verify_all(claims.map(|(transcript, signature)| Claim { agent: a.agent(), transcript, signature }))
    };
    assert_eq!(check(&signatures), Ok(()));
    signatures[3] = b.sign(&statements[3]);
    signatures[4] = b.sign(&statements[4]);
    assert_eq!(check(&signatures), Err((3, IdentityError::Invalid(a.agent()))));
}

#[test]
fn no_secret_is_printed() {
    let text = format!("{:?}", Identity::new(AgentId(1), &[0xa7; 32]));
    assert!(text.contains("redacted") && !text.contains("167") && !text.contains("a7"), "{text}");
}

#[cfg(not(feature = "post-quantum"))]
#[test]
fn a_hybrid_key_is_refused_by_a_build_that_cannot_check_it() {
    let (a, _, mut book) = pair();
    let key = PublicKey { ml_dsa: Some(vec![0; 1_952]), ..Identity::new(AgentId(3), &[3; 32]).public() };
    assert_eq!(book.insert(AgentId(3), &key), Err(IdentityError::Unsupported(AgentId(3))));
    let transcript = statement("vote", 7);
    let signature = Signature { ml_dsa: Some(Vec::new()), ..a.sign(&transcript) };
    assert_eq!(book.verify(a.agent(), &transcript, &signature), Err(IdentityError::Invalid(a.agent())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_is_seen(secret: [u8; 32], value: u64, bit in 0_usize..512) {
        let a = Identity::new(AgentId(1), &secret);
        let mut book = KeyBook::new();
        book.insert(a.agent(), &a.public()).unwrap();
        let good = a.sign(&statement("vote", value));
        prop_assert_eq!(&good, &a.sign(&statement("vote", value)));
        prop_assert_eq!(book.verify(a.agent(), &statement("vote", value), &good), Ok(()));
        let mut bad = good;
        let part = if bit < 256 { &mut bad.r } else { &mut bad.s };
        part[bit % 256 / 8] ^= 1 << (bit % 8);
        prop_assert!(book.verify(a.agent(), &statement("vote", value), &bad).is_err());
    }
}

#[cfg(feature = "post-quantum")]
mod hybrid {
    use super::*;

    /// Two lines or more: the seed, the public key.
    const KEYGEN: &str = include_str!("vectors/acvp_ml_dsa_65_keygen.txt");

    #[test]
    fn nist_key_generation() {
        let mut lines = KEYGEN.lines().skip(1);
        let secret = lattice::Secret::new(&seed(lines.next().unwrap()));
        assert_eq!(secret.public(), unhex(&lines.collect::<String>()));
    }

    /// Wycheproof, mldsa_65_sign_seed_test.json, test 2 (deterministic, empty context): both ends of the 3,309 bytes.
    /// The first 48 are a hash over everything that is signed, the last are the hints, so that no middle can differ.
    #[test]
    fn wycheproof_deterministic_signature() {
        let secret = lattice::Secret::new(&[0x2a; 32]);
        let signature = secret.sign(b"Hello world", b"");
        assert_eq!(signature.len(), 3_309);
        let digits: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            digits.starts_with(
                "69da5aec6d5f58fbf29439c520bd68b966e3dd2ca633b68351c2862344713a1e9c086a44f9a870a3ccc14de6"
            )
        );
        assert!(digits.ends_with(
            "e7fd162970496494d4f60716244a5a7fb7cee40e1d565e6566697e8f9300000000000000000000000005101318212b"
        ));
        let public = lattice::Public::new(&secret.public()).unwrap();
        assert!(public.verify(b"Hello world", b"", &signature));
        assert!(!public.verify(b"Hello world", b"x", &signature));
    }

    fn hybrid() -> (Identity, KeyBook) {
        let a = Identity::hybrid(AgentId(1), &[1; 32], &[2; 32]);
        let mut book = KeyBook::new();
        book.insert(a.agent(), &a.public()).unwrap();
        (a, book)
    }

    #[test]
    fn either_half_alone_is_worth_nothing() {
        let (a, book) = hybrid();
        let transcript = statement("vote", 7);
        let good = a.sign(&transcript);
        assert_eq!(book.verify(a.agent(), &transcript, &good), Ok(()));
        let bad = Err(IdentityError::Invalid(a.agent()));
        let classical_only = Signature { ml_dsa: None, ..good.clone() };
        assert_eq!(book.verify(a.agent(), &transcript, &classical_only), bad);
        let other = a.sign(&statement("vote", 8));
        let lattice_stale = Signature { ml_dsa: other.ml_dsa.clone(), ..good.clone() };
        assert_eq!(book.verify(a.agent(), &transcript, &lattice_stale), bad);
        let classical_stale = Signature { ml_dsa: good.ml_dsa, ..other };
        assert_eq!(book.verify(a.agent(), &transcript, &classical_stale), bad);
    }

    #[test]
    fn a_plain_key_takes_no_hybrid_signature_and_a_half_key_is_another_key() {
        let (a, mut book) = hybrid();
        let plain = Identity::new(AgentId(1), &[1; 32]);
        assert_eq!(book.insert(AgentId(1), &plain.public()), Err(IdentityError::Replaced(AgentId(1))));
        let mut plain_book = KeyBook::new();
        plain_book.insert(AgentId(1), &plain.public()).unwrap();
        let transcript = statement("vote", 7);
        assert!(plain_book.verify(AgentId(1), &transcript, &a.sign(&transcript)).is_err());
        let short = PublicKey { ml_dsa: Some(vec![0; 1_951]), ..Identity::new(AgentId(3), &[3; 32]).public() };
        assert_eq!(book.insert(AgentId(3), &short), Err(IdentityError::Key(AgentId(3))));
    }
}
