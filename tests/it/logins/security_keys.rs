//! Security keys, in software: what a FIDO2 key signs (OpenSSH's `PROTOCOL.u2f`), made by hand.

use std::{fs, process::Command, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use russh::{
    AgentAuthError, Signer,
    client::{self, AuthResult},
    keys::{
        Algorithm, Certificate, EcdsaCurve, HashAlg, PrivateKey, PublicKey,
        agent::AgentIdentity,
        signature::Signer as _,
        ssh_key::public::{KeyData, SkEcdsaSha2NistP256, SkEd25519},
    },
};
use sha2::{Digest, Sha256};

use super::{
    daemon,
    keys::{make_key, with_keys},
    text,
};
use crate::{
    sftp_room::raw::AnyHost,
    support::{TestDaemon, run},
};

/// A key with what it puts into a signature.
struct SecurityKey {
    key: PrivateKey,
    application: &'static str,
    flags: u8,
    counter: u32,
    /// Bytes cut off the end of what is sent.
    cut: usize,
}

impl SecurityKey {
    fn new(algorithm: Algorithm) -> Self {
        let key = PrivateKey::random(&mut rand::rng(), algorithm).unwrap();
        Self { key, application: "ssh:", flags: 0x01, counter: 1, cut: 0 }
    }

    fn public(&self) -> PublicKey {
        let data = match self.key.public_key().key_data() {
            KeyData::Ed25519(key) => KeyData::SkEd25519(SkEd25519::new(*key, "ssh:")),
            KeyData::Ecdsa(key) => {
                let russh::keys::ssh_key::public::EcdsaPublicKey::NistP256(point) = key else { panic!("P-256") };
                KeyData::SkEcdsaSha2NistP256(SkEcdsaSha2NistP256::new(*point, "ssh:"))
            }
            _ => panic!("no such security key"),
        };
        data.into()
    }

    fn line(&self) -> String {
        let public = self.public();
        format!("{} {}", public.algorithm(), STANDARD.encode(public.to_bytes().unwrap()))
    }

    /// The signature with flags and counter, as it goes over the wire.
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let trailer = [&[self.flags][..], &self.counter.to_be_bytes()].concat();
        let signed = [&Sha256::digest(self.application)[..], &trailer, &Sha256::digest(message)[..]].concat();
        let signature = self.key.try_sign(&signed).unwrap();
        let mut blob = string(self.public().algorithm().as_str().as_bytes());
        blob.extend(string(signature.as_bytes()));
        blob.extend(trailer);
        blob.truncate(blob.len() - self.cut);
        blob
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

impl Signer for SecurityKey {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        let signature = self.sign(&to_sign);
        to_sign.extend(string(&signature));
        Ok(to_sign)
    }
}

/// Whether the daemon lets this key in.
fn lets_in(daemon: &TestDaemon, mut key: SecurityKey) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = Arc::new(client::Config::default());
        let mut connection = client::connect(config, daemon.address(), AnyHost).await.unwrap();
        let public = key.public();
        let result = connection.authenticate_publickey_with("bree", public, None, &mut key).await;
        matches!(result, Ok(AuthResult::Success))
    })
}

/// Whether the daemon lets this key in with a certificate.
fn lets_in_certified(daemon: &TestDaemon, mut key: SecurityKey, certificate: &Certificate) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = Arc::new(client::Config::default());
        let mut connection = client::connect(config, daemon.address(), AnyHost).await.unwrap();
        let certificate = certificate.clone();
        let result = connection.authenticate_certificate_with("bree", certificate, None, &mut key).await;
        matches!(result, Ok(AuthResult::Success))
    })
}

#[test]
fn a_security_key_logs_in_with_a_certificate() {
    let daemon = daemon(&[]);
    let (authority, public) = make_key(&daemon, "ca", &["-t", "ed25519"]);
    let line = format!("certificate_authorities: [{{label: ca-bree, owner: ICT, key: \"{public}\"}}]");
    with_keys(&daemon, "[]", &[&line]);
    for algorithm in [Algorithm::Ed25519, Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }] {
        let key = SecurityKey::new(algorithm);
        let file = daemon.path(format!("keys/{}.pub", key.public().algorithm()));
        fs::write(&file, key.line()).unwrap();
        let certify = |principal: &str| {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-s"]).arg(&authority).args(["-I", "jan@bree", "-n", principal, "-V", "-1m:+1h"]);
            run(command.arg(&file), b"").well();
            let shown = file.to_string_lossy().replace(".pub", "-cert.pub");
            Certificate::from_openssh(fs::read_to_string(shown).unwrap().trim()).unwrap()
        };
        let (good, of_another) = (certify("bree"), certify("lokeren"));
        assert!(good.to_openssh().unwrap().starts_with("sk-"));
        let again = || SecurityKey { key: key.key.clone(), ..SecurityKey::new(Algorithm::Ed25519) };
        assert!(!lets_in_certified(&daemon, again(), &of_another));
        assert!(!lets_in_certified(&daemon, SecurityKey { application: "ssh:other", ..again() }, &good));
        assert!(!lets_in(&daemon, again()), "without its certificate");
        assert!(lets_in_certified(&daemon, again(), &good));
        assert_eq!(text(&daemon.events("auth.login").pop().unwrap(), "key"), "ca-bree");
    }
}

#[test]
fn a_security_key_signs_for_this_application_and_this_session() {
    let daemon = daemon(&[]);
    for algorithm in [Algorithm::Ed25519, Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }] {
        let key = SecurityKey::new(algorithm);
        let with = |change: fn(&mut SecurityKey)| {
            let mut key = SecurityKey { key: key.key.clone(), ..SecurityKey::new(Algorithm::Ed25519) };
            change(&mut key);
            key
        };
        with_keys(&daemon, &format!("[{{label: sk, owner: ICT, key: \"{}\"}}]", key.line()), &[]);
        assert!(lets_in(&daemon, with(|_| ())));
        assert_eq!(text(&daemon.events("auth.login").pop().unwrap(), "key"), "sk");
        // Not touched: the transport shows nobody the flags, as the readme says. Where it does, this is to be refused.
        assert!(lets_in(&daemon, with(|key| key.flags = 0x00)));
        // Touched and verified by its PIN, much used.
        assert!(lets_in(&daemon, with(|key| (key.flags, key.counter) = (0x05, u32::MAX))));
        assert!(!lets_in(&daemon, with(|key| key.application = "ssh:other")));
        assert!(!lets_in(&daemon, with(|key| key.application = "https://www.bree.example.be")));
        assert!(!lets_in(&daemon, with(|key| key.cut = 1)));
        assert!(!lets_in(&daemon, with(|key| key.cut = 5)));
        assert!(!lets_in(&daemon, SecurityKey::new(key.key.algorithm())));
    }
}
