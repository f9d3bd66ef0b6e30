//! What must not compile: one queue on two threads, a queue after the stop, a
//! frame after it was sent, a port in the wrong state.

#[test]
fn misuse_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
