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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        fn strings_agree_with_the_json_library(text in any::<String>()) {
            let mut out = Vec::new();
            write_string(&text, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in any::<Vec<u8>>()) {
            let _ = read(&bytes);
        }
    }
}
