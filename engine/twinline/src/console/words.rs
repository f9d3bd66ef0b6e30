//! A line, cut into words.

/// A word of a line, and where it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Without its quotes.
    pub text: String,
    /// Byte of its first character (a quote, where there is one).
    pub start: usize,
    /// Byte after its last.
    pub end: usize,
}

/// A quote that does not end; with the words before it.
#[derive(Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// What came before.
    pub before: Vec<Word>,
    /// The word with the quote, as far as it goes.
    pub word: Word,
}

/// Cuts at blanks; `"..."` and `'...'` hold blanks together, `#` at a word's start begins a
/// comment.
///
/// # Errors
/// A quote that does not end.
pub fn words(line: &str) -> Result<Vec<Word>, Unfinished> {
    let mut all = Vec::new();
    let mut current: Option<Word> = None;
    let mut quote = None;
    for (at, c) in line.char_indices() {
        let next = at + c.len_utf8();
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                current.get_or_insert_with(|| begin(at)).end = next;
                continue;
            }
            (None, '#') if current.is_none() => break,
            (None, c) if c.is_whitespace() => {
                all.extend(current.take());
                continue;
            }
            (_, c) => current.get_or_insert_with(|| begin(at)).text.push(c),
        }
        if let Some(word) = &mut current {
            word.end = next;
        }
    }
    match (quote, current) {
        (Some(_), Some(word)) => Err(Unfinished { before: all, word }),
        (_, last) => {
            all.extend(last);
            Ok(all)
        }
    }
}

fn begin(start: usize) -> Word {
    Word {
        text: String::new(),
        start,
        end: start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        words(line).unwrap().into_iter().map(|w| w.text).collect()
    }

    #[test]
    fn blanks_quotes_and_comments() {
        assert_eq!(texts("  show\tha  "), ["show", "ha"]);
        assert_eq!(
            texts("a \"b c\" 'd # e' f#g # h"),
            ["a", "b c", "d # e", "f#g"]
        );
        assert_eq!(texts("a\"b c\"d \"\""), ["ab cd", ""]);
        assert_eq!(texts("# all of it"), [""; 0]);
        assert_eq!(texts(""), [""; 0]);
    }

    #[test]
    fn places_are_bytes_of_the_line() {
        let all = words("é \"b\" c").unwrap();
        let places: Vec<(usize, usize)> = all.iter().map(|w| (w.start, w.end)).collect();
        assert_eq!(places, [(0, 2), (3, 6), (7, 8)]);
    }

    #[test]
    fn a_quote_has_to_end() {
        let open = words("load 'my file").unwrap_err();
        assert_eq!(open.before.len(), 1);
        assert_eq!((open.word.text.as_str(), open.word.start), ("my file", 5));
        assert!(words("'").is_err());
    }
}
