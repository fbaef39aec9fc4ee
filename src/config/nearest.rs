//! What was probably meant by a word that is not known.

/// The word that was probably meant, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Longer words are not compared: nothing known is near them.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let near = known.map(|candidate| (distance(word, candidate), candidate)).min()?;
    // A third of the letters may be wrong; more is another word.
    (near.0 <= (word.chars().count() / 3).max(1)).then_some(near.1)
}

/// How many letters must be put in, left out or changed (Levenshtein), with `_`, `-` and case ignored.
fn distance(one: &str, other: &str) -> usize {
    let letters = |text: &str| text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
    let (one, other): (Vec<char>, Vec<char>) = (letters(one), letters(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        for (cell, candidate) in row.iter_mut().skip(1).zip(&other) {
            let here = (diagonal + usize::from(letter != candidate)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::TENANT;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        for (typed, meant) in [
            ("recipient", Some("recipients")),
            ("niscode", Some("nis_code")),
            ("allow-from", Some("allow_from")),
            ("protocolen", Some("protocols")),
            ("mayDelete", Some("may_delete")),
            ("telephone", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, TENANT.all()), meant, "{typed}");
        }
        assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("abc", "")), (3, 3, 3));
    }
}
