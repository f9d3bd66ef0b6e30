//! docs/configuration.md has the tables of the schema, word for word.
//!
//! After a change of the schema: `TWINLINE_BLESS=1 cargo test -p twinline-config --test
//! documentation` writes them anew.

use twinline_config::schema;

const START: &str = "<!-- keys: begin (written by config/tests/documentation.rs) -->\n";
const END: &str = "<!-- keys: end -->";

#[test]
fn the_documentation_has_every_key_of_the_schema() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let start = text.find(START).expect("the begin mark") + START.len();
    let end = text.find(END).expect("the end mark");
    let wanted = format!("\n{}", schema::markdown());
    if std::env::var_os("TWINLINE_BLESS").is_some() {
        let new = format!("{}{wanted}{}", &text[..start], &text[end..]);
        std::fs::write(&path, new).unwrap();
        return;
    }
    assert_eq!(
        &text[start..end],
        wanted,
        "run with TWINLINE_BLESS=1 to write the tables anew"
    );
}
