//! What the demo prints to be tried in another terminal: a list sent and its answer fetched with each client.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::domain::SshPublicKey;

/// Where the commands lead.
pub(super) struct Commands<'a> {
    /// The demo's directory, which they are given in.
    pub directory: &'a Path,
    pub address: SocketAddr,
    /// Who logs in: a municipality, with its keys in `keys/`.
    pub tenant: &'a str,
    /// Who reads the log, with a key there too.
    pub auditor: &'a str,
    pub host_key: &'a SshPublicKey,
    /// The year that the agency bills.
    pub year: i16,
}

/// The list that they send, which stands beside the answers to trials.
const LIST: &str = "voorbeeldlijst.csv";
/// The answers, for clients and the shell.
const ANSWERS: &str = "sociale-toeslag_*.csv.age";

impl Commands<'_> {
    /// All of them, ready to paste.
    pub fn text(&self) -> String {
        let directory = quoted(self.directory);
        let clients = [self.openssh(), self.lftp(), self.rclone(), self.putty()].map(|lines| shown(&lines));
        let (tenant, clients) = (self.tenant, clients.concat());
        format!(
            "\nThe demo stays up; Ctrl-C ends it. To try, in another terminal:\n\n\
             \x20 cd {directory}\n\n\
             With each of these clients the municipality fetches an example list, sends it as a trial, and fetches the\n\
             answer, which is there at once:\n{clients}\n\
             Open the answers with stock age:\n\n\
             \x20 for answer in {ANSWERS}; do age -d -i keys/{tenant}.agekey $answer; done\n\n\
             As the agency:\n{}\n\
             As an auditor, of a copy of the log and of the daily reports, where there are any:\n{}",
            shown(&self.agency()),
            shown(&self.audit())
        )
    }

    fn ssh_options(&self) -> String {
        ssh_options(self.tenant)
    }

    fn openssh(&self) -> Vec<String> {
        let (tenant, ip, port, options) = (self.tenant, self.address.ip(), self.address.port(), self.ssh_options());
        let sftp = format!("sftp -P {port} {options}");
        vec![
            format!("{sftp} {tenant}@{ip}:test/outbox/{LIST} ."),
            format!("echo 'put {LIST} test/inbox' | {sftp} -b - {tenant}@{ip}"),
            format!("{sftp} '{tenant}@{ip}:test/outbox/{ANSWERS}' ."),
        ]
    }

    fn lftp(&self) -> Vec<String> {
        let (tenant, ip, port, options) = (self.tenant, self.address.ip(), self.address.port(), self.ssh_options());
        let begin = format!(
            "lftp -e 'set sftp:connect-program \"ssh -a -x {options}\"; set xfer:clobber on; \
             open -u {tenant}, sftp://{ip}:{port}"
        );
        vec![
            format!("{begin}; get test/outbox/{LIST}; put -O test/inbox {LIST}; bye'"),
            format!("{begin}; mget test/outbox/{ANSWERS}; bye'"),
        ]
    }

    fn rclone(&self) -> Vec<String> {
        let (tenant, ip, port) = (self.tenant, self.address.ip(), self.address.port());
        let remote = format!(
            ":sftp,host={ip},port={port},user={tenant},key_file=keys/{tenant}_ed25519,known_hosts_file=known_hosts,\
             shell_type=none:"
        );
        vec![
            format!("rclone copy '{remote}test/outbox/{LIST}' ."),
            format!("rclone copy {LIST} '{remote}test/inbox'"),
            format!("rclone copy --include '{ANSWERS}' '{remote}test/outbox' ."),
        ]
    }

    fn putty(&self) -> Vec<String> {
        let (tenant, ip, port) = (self.tenant, self.address.ip(), self.address.port());
        let key = self.host_key.fingerprint();
        let psftp = format!("psftp -batch -P {port} -i keys/{tenant}.ppk -hostkey {key} {tenant}@{ip}");
        vec![
            format!("puttygen keys/{tenant}_ed25519 -O private -o keys/{tenant}.ppk"),
            format!("printf '%s\\n' 'get test/outbox/{LIST}' 'cd test/inbox' 'put {LIST}' | {psftp}"),
            format!("printf '%s\\n' 'cd test/outbox' 'mget {ANSWERS}' | {psftp}"),
        ]
    }

    fn agency(&self) -> Vec<String> {
        let (program, year) = (program(), self.year);
        vec![
            format!("{program} status --config groeikluis.yaml"),
            format!("{program} assignment simulate torhout-schoolpremie --config groeikluis.yaml"),
            format!("{program} assignment bill --year {year} --config groeikluis.yaml"),
            format!("{program} audit show --config groeikluis.yaml --last 20"),
            format!("{program} audit verify --log state/log --key keys/log.vkey"),
        ]
    }

    fn audit(&self) -> Vec<String> {
        let (program, auditor, ip, port) = (program(), self.auditor, self.address.ip(), self.address.port());
        let log = format!("--log {auditor}/log");
        let with_key = format!("{log} --key keys/log.vkey");
        let sftp = format!("sftp -P {port} {} -b - {auditor}@{ip}", ssh_options(auditor));
        vec![
            format!(
                "mkdir -p {auditor} && printf '%s\\n' 'get -r log {auditor}/' 'get -r reports {auditor}/' | {sftp}"
            ),
            format!("{program} audit verify {with_key}"),
            format!("{program} audit show {log} --tenant torhout --event delivery"),
            format!("{program} audit report {with_key} --tenant torhout --force --out {auditor}/verslag.html"),
        ]
    }
}

fn ssh_options(user: &str) -> String {
    format!("-i keys/{user}_ed25519 -o UserKnownHostsFile=known_hosts")
}

/// The program as it was started, for a shell: it need not be installed.
fn program() -> String {
    quoted(&std::env::current_exe().unwrap_or_else(|_| PathBuf::from("groeikluis")))
}

fn shown(lines: &[String]) -> String {
    format!("\n  {}\n", lines.join("\n  "))
}

/// A path for a shell: in quotes where it has more than plain letters.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    if text.chars().all(is_plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_spaces_and_quotes_is_one_word() {
        assert_eq!(quoted(Path::new("/tmp/demo-1")), "/tmp/demo-1");
        assert_eq!(quoted(Path::new("/tmp/de demo's")), r"'/tmp/de demo'\''s'");
    }
}
