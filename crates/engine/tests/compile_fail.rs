//! Code outside the gate cannot make an approval: neither construct, clone, default nor read one from bytes.

#[test]
fn an_approval_cannot_be_forged() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
