//! The keys of `keys-example/` and of the example tenants: everybody has them, so production refuses them.
//!
//! Of the secret ones only digests are in the program.

use sha2::{Digest, Sha256};

use crate::domain::SshPublicKey;

/// Each secret file with the SHA-256 of its content without comment lines and white space, so that a copy that went
/// through an editor is still known.
const SECRETS: [(&str, &str); 6] = [
    ("bree.agekey", "10b77040895041e1ed585ffedd94188d16feb585dc0cb51ce487f58801236577"),
    ("bree_ed25519", "f48e92ba635737d53c5a2663514a77082be67e446356bfd2ea0d3249a3a09642"),
    ("exchange.agekey", "2805c2ad07ae358129663ab7a424fbc22cbe70f14eacce22e7dca2c843564533"),
    ("host_ed25519", "07d7a9c11910ea12bb8c61ec47c520167ea2a61f562ca4ea4a236ef8d131788a"),
    ("log.key", "b2f7081632eaae544d59a33651c2de4761e0bedc554f8c1ea315cdbbc3e8ea2b"),
    ("register.agekey", "87b57ca7cc83209ddcb7037a791953feec9c78e1a06fdbac09b0471a7f2677c8"),
];

/// Fingerprints of the example tenants' and the example host's public keys.
const LOGIN_KEYS: [&str; 2] =
    ["SHA256:pjdKK0g1zPjmTJSTO44m3yf4pCS+NRtWoCnV1hls2QU", "SHA256:RkGpMfUXe6wo7iUh39Q+Z9/3TzFVVePsUiYbpIxDHFM"];

/// Recipients in the example tenants, and those of the exchange's and the register's example keys. Only Bree's secret
/// part exists; the others' was thrown away.
const RECIPIENTS: [&str; 13] = [
    "age1d2f5cnpt2jef0mqcf7tkpvetxznekk72ulrew7ws6tl4zq240awq7s06ph",
    "age1d59g2thgvwd3s7qh04n38v35y2vzw80y347aeap8v6n5trh879nq6u8z85",
    "age1ducz2699zxuk43h320mrl3w3vu6k0ak2j4lmqs7f6ugfqnve7dgs4t8vvu",
    "age136266vtz5vpk48h3v4fg6c5s98690jyl3gxjk6r2q05fp5cj343qrcmu8f",
    "age10guqunf55cj4fyt5cmyx4c4vcgj64vqj7g6cgaqgnvdnm9ysjcusjzq9vx",
    "age17hsw503qujgs9yjf2acrrgq7kf8uxvvnq2glm3l7gnu59scl2d8sxedjkm",
    "age1n36j8dlce9elm68rkmmk2kv6f27kmudc3exgd98lvfy5dngtxc4sydngvc",
    "age1az7dz9c099hdkn922hdqdsrsehl70dyul33nxdftpgrg0xkf8ccqsclg2r",
    "age1hfpayhk7vv0ga986jh40gqndjugvhqjsv5z6n63s2u5pxq57z92qnmc8rw",
    "age1mwj9tkfzqpce7lxtxmes6etknkxgdxpjflf3a59ps9svzs82pclqgtep2s",
    "age1p4xrv09th9nh873xkkj6z5danw4c0fh6rmhwg4cr7e4pkrhvmdhsa2wacw",
    "age1k76t7rlmswzjru9qr2dx36qpgfj7n4pk7esm22nn48xs7vhnt4ws2hv94x",
    "age18c0hspqhcj2xkle50waln4ftf38j94kk46qynzy9lnslzsf7pahs8q2jj7",
];

/// Whether that is the content of a file of `keys-example/`.
pub(super) fn is_example_secret(content: &[u8]) -> bool {
    let mut digest = Sha256::new();
    for line in content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.starts_with(b"#")) {
        for word in line.split(u8::is_ascii_whitespace) {
            digest.update(word);
        }
    }
    let digest = hex::encode(digest.finalize());
    SECRETS.iter().any(|(_, example)| *example == digest)
}

/// Whether that public key is an example.
pub(super) fn is_example_key(key: &SshPublicKey) -> bool {
    LOGIN_KEYS.contains(&key.fingerprint().as_str())
}

/// Whether that recipient is an example, of age's kind or SSH's.
pub(super) fn is_example_recipient(recipient: &str) -> bool {
    let recipient = recipient.trim();
    RECIPIENTS.contains(&recipient) || SshPublicKey::parse(recipient).is_ok_and(|key| is_example_key(&key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Keyring;
    use std::{fs, path::PathBuf};

    fn keys_example() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("keys-example")
    }

    #[test]
    fn every_secret_file_is_known() {
        let mut secrets: Vec<String> = fs::read_dir(keys_example())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.extension().is_some_and(|extension| extension == "pub" || extension == "md"))
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        secrets.sort();
        assert_eq!(secrets, SECRETS.map(|(name, _)| name));
        for name in &secrets {
            assert!(is_example_secret(&fs::read(keys_example().join(name)).unwrap()), "{name}");
        }
        assert!(!is_example_secret(b""));
    }

    #[test]
    fn every_public_key_is_known() {
        let line = fs::read_to_string(keys_example().join("bree_ed25519.pub")).unwrap();
        assert!(is_example_key(&SshPublicKey::parse(&line).unwrap()));
        assert!(is_example_recipient(&line));
        for name in ["bree.agekey", "exchange.agekey", "register.agekey"] {
            let keyring = Keyring::parse(&fs::read_to_string(keys_example().join(name)).unwrap()).unwrap();
            assert!(
                keyring.recipients().iter().all(|recipient| is_example_recipient(&recipient.to_string())),
                "{name}"
            );
        }
    }
}
