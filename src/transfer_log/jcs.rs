//! The canonical form of an entry: RFC 8785, for objects whose numbers are integers below 2^53.

use serde_json::Value;

/// The first integer that a reader with IEEE doubles could get wrong (RFC 8785, section 3.2.2.3).
const FIRST_INEXACT: u64 = 1 << 53;

/// Why something has no canonical form here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum JcsFault {
    #[error("not JSON")]
    Json,
    #[error("a number that is no integer from 0 to 2^53")]
    Number,
    #[error("not in canonical form")]
    NotCanonical,
}

/// Appends the canonical form of a value.
pub(super) fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), JcsFault> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Number(number) => {
            let number = number.as_u64().filter(|number| *number < FIRST_INEXACT).ok_or(JcsFault::Number)?;
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // Section 3.2.3 sorts by UTF-16 code units.
            members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            out.push(b'{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                write(member, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// Appends a string with the escapes of section 3.2.2.2: the short ones, `\u00xx` for other control characters,
/// and nothing else.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            0x00..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Reads a value and makes sure that its bytes are its canonical form; that excludes duplicate keys, too.
pub(super) fn read(bytes: &[u8]) -> Result<Value, JcsFault> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| JcsFault::Json)?;
    let mut again = Vec::with_capacity(bytes.len());
    write(&value, &mut again)?;
    if again == bytes { Ok(value) } else { Err(JcsFault::NotCanonical) }
}

/// Deeper values are read by [`read`] alone, which has a limit of its own; entries have two levels.
const DEEPEST: u32 = 8;

/// Whether the bytes are an object in canonical form, and what its member `seq` is; `None` when that cannot be told at
/// a glance, and [`read`] has to decide.
///
/// It goes over the bytes once and takes no memory, for those who check millions of entries.
pub(super) fn seq_at_a_glance(bytes: &[u8]) -> Option<u64> {
    // Canonical text has no control character anywhere: in strings they are escaped, and between values is nothing.
    let lowest = bytes.iter().fold(u8::MAX, |lowest, byte| lowest.min(*byte));
    if lowest < 0x20 || simdutf8::basic::from_utf8(bytes).is_err() {
        return None;
    }
    let mut glance = Glance { rest: bytes, seq: None };
    glance.object(0)?;
    glance.seq.filter(|_| glance.rest.is_empty())
}

/// A look over what is left of canonical JSON that is valid UTF-8.
struct Glance<'a> {
    rest: &'a [u8],
    seq: Option<u64>,
}

impl<'a> Glance<'a> {
    fn take(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        (*first == byte).then(|| self.rest = rest)
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    fn object(&mut self, depth: u32) -> Option<()> {
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(());
        }
        let mut before = None;
        loop {
            let name = self.string()?;
            // Names outside of ASCII sort by their UTF-16 form, escaped ones by what they mean: neither is at a glance.
            let plain = name.is_ascii() && !name.contains(&b'\\');
            if !plain || before.is_some_and(|before| before >= name) {
                return None;
            }
            before = Some(name);
            self.take(b':')?;
            if depth == 0 && name == b"seq" {
                self.seq = Some(self.number()?);
            } else {
                self.value(depth + 1)?;
            }
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    fn array(&mut self, depth: u32) -> Option<()> {
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    fn value(&mut self, depth: u32) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match self.rest.first()? {
            b'"' => self.string().map(|_| ()),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number().map(|_| ()),
        }
    }

    /// An integer below 2^53 as it is written canonically.
    fn number(&mut self) -> Option<u64> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (written, rest) = self.rest.split_at_checked(digits)?;
        // 2^53 has 16 digits.
        let is_canonical = (1..=16).contains(&digits) && (written == b"0" || !written.starts_with(b"0"));
        let number =
            written.iter().fold(0_u64, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
        self.rest = rest;
        (is_canonical && number < FIRST_INEXACT).then_some(number)
    }

    /// What stands between the quotes, escapes and all.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let all = self.rest;
        loop {
            self.rest = self.rest.get(quote_or_escape(self.rest)?..)?;
            if let [b'"', rest @ ..] = self.rest {
                let content = all.get(..all.len() - self.rest.len())?;
                self.rest = rest;
                return Some(content);
            }
            self.escape()?;
        }
    }

    /// An escape that stands for what has no other form.
    fn escape(&mut self) -> Option<()> {
        self.rest = match self.rest {
            [b'\\', b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r', rest @ ..] => rest,
            [b'\\', b'u', b'0', b'0', tens @ (b'0' | b'1'), ones @ (b'0'..=b'9' | b'a'..=b'f'), rest @ ..] => {
                let has_short_form = *tens == b'0' && matches!(ones, b'8' | b'9' | b'a' | b'c' | b'd');
                Some(rest).filter(|_| !has_short_form)?
            }
            _ => return None,
        };
        Some(())
    }
}

/// Where the first quote or backslash is, eight bytes at a look: most of an entry stands between quotes.
fn quote_or_escape(bytes: &[u8]) -> Option<usize> {
    const EACH: u64 = u64::MAX / 255;
    // The lowest byte that is zero has its highest bit set; none below it has.
    let zeros = |word: u64| word.wrapping_sub(EACH) & !word & (EACH << 7);
    let (words, rest) = bytes.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (EACH * u64::from(b'"'))) | zeros(word ^ (EACH * u64::from(b'\\')));
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let in_rest = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(words.len() * 8 + in_rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// JSON of the sort that entries are made of, and some that they are not.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..FIRST_INEXACT).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[a-z\"\\\\\u{0}-\u{20}]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-d]{0,2}|\\PC", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn a_glance_sees_the_place_of_an_entry() {
        for (text, seq) in [
            (r#"{"a":[1,{"b":"x"}],"seq":7,"v":1}"#, Some(7)),
            (r#"{"a":{"seq":3},"seq":0}"#, Some(0)),
            (r#"{"a":{"seq":3}}"#, None),
            (r#"{"seq":"7"}"#, None),
            (r#"{"seq":07}"#, None),
            (r#"{"seq":7,"seq":7}"#, None),
            (r#"{"v":1,"seq":7}"#, None),
            (r#"{"seq":7} "#, None),
            (r#"{"seq": 7}"#, None),
            (r#"{"seq":7,}"#, None),
            (r#"{"a":"\u001F","seq":7}"#, None),
            (r#"{"a":"\u001f","seq":7}"#, Some(7)),
            (r#"{"a":"\u000a","seq":7}"#, None),
            (r#"{"a":"\/","seq":7}"#, None),
            (r#"{"a":9007199254740992,"seq":7}"#, None),
            (r#"{"a":-1,"seq":7}"#, None),
            (r#"{"a":tru,"seq":7}"#, None),
            ("[7]", None),
            ("", None),
        ] {
            assert_eq!(seq_at_a_glance(text.as_bytes()), seq, "{text}");
        }
    }

    fn canonical(text: &str) -> String {
        let mut out = Vec::new();
        write(&serde_json::from_str(text).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn keys_are_sorted_by_code_units() {
        // The example of RFC 8785, section 3.2.3.
        let text = r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#;
        assert_eq!(
            canonical(text),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
    }

    #[test]
    fn strings_are_escaped_as_little_as_may_be() {
        let text = r#""\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/\u007f""#;
        assert_eq!(canonical(text), "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}\"");
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        for (text, fault) in [
            (r#"{"a":1,"a":1}"#, JcsFault::NotCanonical),
            (r#"{"a":1,"a":2}"#, JcsFault::NotCanonical),
            (r#"{"b":1,"a":2}"#, JcsFault::NotCanonical),
            (r#"{"a": 1}"#, JcsFault::NotCanonical),
            (r#"{"a":"\u0041"}"#, JcsFault::NotCanonical),
            (r#"{"a":1.5}"#, JcsFault::Number),
            (r#"{"a":-1}"#, JcsFault::Number),
            (r#"{"a":9007199254740992}"#, JcsFault::Number),
            (r#"{"a":1e3}"#, JcsFault::Number),
            (r#"{"a":1}x"#, JcsFault::Json),
            ("", JcsFault::Json),
        ] {
            assert_eq!(read(text.as_bytes()), Err(fault), "{text}");
        }
        assert!(read(br#"{"a":9007199254740991}"#).is_ok());
    }

    proptest! {
        #[test]
        fn the_first_quote_or_escape_is_found(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>()], 0..40)) {
            let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(quote_or_escape(&bytes), first);
        }

        #[test]
        fn strings_agree_with_the_json_library(text in any::<String>()) {
            let mut out = Vec::new();
            write_string(&text, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in any::<Vec<u8>>()) {
            let _ = read(&bytes);
            prop_assert!(seq_at_a_glance(&bytes).is_none() || read(&bytes).is_ok());
        }

        #[test]
        fn a_glance_sees_nothing_that_reading_does_not(value in any_value(), seq in 0..FIRST_INEXACT, at in 0_usize..200, byte in any::<u8>()) {
            let mut entry = serde_json::Map::new();
            entry.insert("m".to_owned(), value);
            entry.insert("seq".to_owned(), seq.into());
            let mut bytes = Vec::new();
            write(&Value::Object(entry), &mut bytes).unwrap();
            prop_assert_eq!(read(&bytes).unwrap()["seq"].as_u64(), Some(seq));
            // Names that are not plain ASCII are left to `read`.
            prop_assert!(seq_at_a_glance(&bytes).is_none_or(|seen| seen == seq));
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
            if let Some(seen) = seq_at_a_glance(&bytes) {
                prop_assert_eq!(read(&bytes).unwrap()["seq"].as_u64(), Some(seen));
            }
        }
    }
}
