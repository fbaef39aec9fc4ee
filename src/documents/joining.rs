//! How a local authority begins (FORMATS.md, section 1): what its contact is mailed before the first login, when
//! `LEESMIJ.txt` cannot be read yet.

use super::wording::{line, paragraph, repeatable};
use crate::domain::{Tenant, TenantKind, tenant::LoginStep};

/// What is told to who begins.
#[derive(Debug, Clone, Copy)]
pub struct Joining<'a> {
    /// Who begins.
    pub tenant: &'a Tenant,
    /// The server's name or address.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The fingerprints of the host keys, `SHA256:…`; a client shows one of them.
    pub host_fingerprints: &'a [String],
    /// Whom to send the public keys to: a mail address, or a name.
    pub contact: &'a str,
}

impl Joining<'_> {
    /// The text: CR LF, lines of at most 78 characters except where a command is longer.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let title = "Aansluiten op de veilige uitwisseling (groeikluis)";
        line(&mut out, title);
        line(&mut out, &"=".repeat(title.chars().count()));
        line(&mut out, "");
        let further = if self.tenant.kind.uploads() {
            " Wat u daarna moet weten, staat in LEESMIJ.txt, dat u na de eerste aanmelding vindt."
        } else {
            ""
        };
        let name = repeatable(&self.tenant.name);
        paragraph(&mut out, "", 0, &format!("Deze stappen zijn bedoeld voor de informaticus van {name}.{further}"));
        let mut steps = Steps { out, number: 0 };
        if self.logs_in_with_key() {
            self.make_login_key(&mut steps);
        }
        if self.gets_files() {
            self.make_age_key(&mut steps);
        }
        if self.logs_in_with_key() || self.gets_files() {
            self.send_public_parts(&mut steps);
        }
        self.log_in(&mut steps);
        steps.out
    }

    fn logs_in_with_key(&self) -> bool {
        self.tenant.require.contains(&LoginStep::PublicKey)
    }

    fn gets_files(&self) -> bool {
        self.tenant.kind != TenantKind::Auditor
    }

    /// The file of the key that logs in, as the commands here name it.
    fn login_key(&self) -> String {
        format!("{}_ed25519", self.tenant.id)
    }

    fn age_key(&self) -> String {
        format!("{}.agekey", self.tenant.id)
    }

    fn make_login_key(&self, steps: &mut Steps) {
        let key = self.login_key();
        let out = steps.begin("Maak een SSH-sleutel, om aan te melden");
        let openssh = "Met OpenSSH, dat deel uitmaakt van Windows, macOS en Linux:";
        paragraph(out, "- ", 2, openssh);
        line(out, "");
        line(out, &format!("    ssh-keygen -t ed25519 -f {key}"));
        line(out, "");
        let files = format!(
            "U krijgt twee bestanden: {key} is het geheime deel en blijft bij u, {key}.pub is het publieke deel."
        );
        paragraph(out, "  ", 2, &files);
        let putty = "Met PuTTYgen, voor WinSCP en PuTTY: kies onderaan EdDSA met Ed25519 en klik op \"Generate\". Bewaar \
            het geheime deel met \"Save private key\" (.ppk). Het publieke deel is de regel in het vak bovenaan, die met \
            ssh-ed25519 begint.";
        paragraph(out, "- ", 2, putty);
        line(out, "");
        paragraph(out, "", 0, "Kies een wachtwoordzin voor de sleutel als een mens ze gebruikt en geen script.");
    }

    fn make_age_key(&self, steps: &mut Steps) {
        let key = self.age_key();
        let out = steps.begin("Maak een age-sleutel, om bestanden te openen");
        let program = "Alles wat u krijgt, is verzegeld met age. Het programma is vrij te verkrijgen op \
            https://age-encryption.org.";
        paragraph(out, "", 0, program);
        line(out, "");
        line(out, &format!("    age-keygen -o {key}"));
        line(out, "");
        let files = format!(
            "Op het scherm verschijnt de publieke sleutel, die met age1 begint. Het bestand {key} is het geheime deel: \
             bewaar het veilig, met een reservekopie. Zonder dat bestand kan niemand uw bestanden openen, ook wij niet."
        );
        paragraph(out, "", 0, &files);
    }

    fn send_public_parts(&self, steps: &mut Steps) {
        let out = steps.begin("Bezorg ons de publieke delen");
        paragraph(out, "", 0, &format!("Bezorg aan {}:", self.contact));
        line(out, "");
        let mut secrets = Vec::new();
        if self.logs_in_with_key() {
            paragraph(out, "- ", 2, &format!("de regel uit {}.pub (of uit PuTTYgen);", self.login_key()));
            secrets.extend([self.login_key(), "een .ppk-bestand".to_owned()]);
        }
        if self.gets_files() {
            paragraph(out, "- ", 2, "de publieke sleutel die met age1 begint;");
            secrets.push(self.age_key());
        }
        paragraph(out, "- ", 2, "wie bij u voor deze sleutels instaat;");
        paragraph(out, "- ", 2, "de netwerkadressen vanwaar u aanmeldt, als die vast zijn.");
        line(out, "");
        let secrets = match secrets.as_slice() {
            [] => String::new(),
            [only] => only.clone(),
            [before @ .., last] => format!("{} of {last}", before.join(", ")),
        };
        let never = format!(
            "Stuur nooit een geheim deel ({secrets}), aan niemand. Wij vragen er nooit om. Stuur ook geen nummers van \
             personen."
        );
        paragraph(out, "", 0, &never);
    }

    fn log_in(&self, steps: &mut Steps) {
        let (host, port, user) = (self.host, self.port, self.tenant.id.as_str());
        let out = steps.begin("Meld voor het eerst aan");
        paragraph(out, "", 0, "Doe dit zodra wij u bevestigd hebben dat u kunt aanmelden.");
        line(out, "");
        line(out, &format!("  Server:      {host}"));
        line(out, &format!("  Poort:       {port}"));
        line(out, &format!("  Gebruiker:   {user}"));
        let several = self.host_fingerprints.len() > 1;
        line(out, if several { "  Vingerafdrukken van de server:" } else { "  Vingerafdruk van de server:" });
        for fingerprint in self.host_fingerprints {
            line(out, &format!("    {fingerprint}"));
        }
        line(out, "");
        // An address of IPv6 has colons, as what follows a host has.
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        let identity = if self.logs_in_with_key() { format!("-i {} ", self.login_key()) } else { String::new() };
        line(out, &format!("    sftp {identity}-P {port} {user}@{open}{host}{close}"));
        line(out, "");
        let which = if several { "een van die hierboven" } else { "die hierboven" };
        let compare = format!(
            "Uw programma toont nu eenmalig de vingerafdruk van de server. Vergelijk ze teken voor teken met {which}. \
             Verschilt ze, aanvaard ze dan niet, verbreek de verbinding en verwittig ons."
        );
        paragraph(out, "", 0, &compare);
        if self.tenant.require.contains(&LoginStep::Password) {
            line(out, "");
            paragraph(out, "", 0, "Het wachtwoord dat daarna gevraagd wordt, krijgt u van ons, niet per e-mail.");
        }
        line(out, "");
        let (next, command) = match self.tenant.kind {
            TenantKind::Municipality | TenantKind::Ocmw => (
                "Haal daarna LEESMIJ.txt op: daarin staat hoe u lijsten oplaadt, antwoorden opent en alles eerst uitprobeert \
                 met fictieve gegevens.",
                "get LEESMIJ.txt".to_owned(),
            ),
            TenantKind::PrintPartner => (
                "Wat voor u klaargezet wordt, vindt u daarna in /outbox. Openen doet u zo:",
                format!("age -d -i {} -o brieven.pdf brieven.pdf.age", self.age_key()),
            ),
            TenantKind::Auditor => (
                "Het logboek vindt u daarna in /log, en de dagelijkse verslagen in /reports. Haal alles zo op:",
                "get -r log logboek\n    get -r reports verslagen".to_owned(),
            ),
        };
        paragraph(out, "", 0, next);
        line(out, "");
        line(out, &format!("    {command}"));
    }
}

/// The steps so far.
struct Steps {
    out: String,
    number: u32,
}

impl Steps {
    /// The next one's title; what it says is added to what is returned.
    fn begin(&mut self, title: &str) -> &mut String {
        self.number += 1;
        let title = format!("{}. {title}", self.number);
        line(&mut self.out, "");
        line(&mut self.out, "");
        line(&mut self.out, &title);
        line(&mut self.out, &"-".repeat(title.chars().count()));
        line(&mut self.out, "");
        &mut self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        documents::{golden, wording::WIDTH},
        domain::{niss::find_in, tenant::TenantLimits},
    };

    fn text(kind: TenantKind, require: &[LoginStep]) -> String {
        let limits = TenantLimits { upload_bytes: 16 << 20, inbox_bytes: 2 << 30, outbox_bytes: 5 << 30 };
        let bare = Tenant::new("bree".parse().unwrap(), "Stad Bree".to_owned(), kind, limits);
        let tenant = Tenant { require: require.to_vec(), ..bare };
        let joining = Joining {
            tenant: &tenant,
            host: "uitwisseling.example.be",
            port: 2222,
            host_fingerprints: &["SHA256:uNiVztksCsDhcc0u9e8BrrJUbmXTjyJVm9hgAvH5ZzE".to_owned()],
            contact: "uitwisseling@example.be",
        };
        joining.text()
    }

    #[test]
    fn the_first_steps_read_well() {
        let text = text(TenantKind::Municipality, &[LoginStep::PublicKey]);
        let wide: Vec<&str> = text.split_terminator("\r\n").filter(|line| line.chars().count() > WIDTH).collect();
        assert!(wide.is_empty(), "{wide:?}");
        assert!(!text.replace("\r\n", "").contains('\n'));
        assert_eq!(find_in(&text), None);
        golden::compare("aansluiten.txt", &text);
    }

    #[test]
    fn the_first_steps_follow_the_tenant() {
        let printer = text(TenantKind::PrintPartner, &[LoginStep::PublicKey, LoginStep::Password]);
        assert!(printer.contains("krijgt u van ons") && printer.contains("brieven.pdf"), "{printer}");
        assert!(!printer.contains("LEESMIJ"), "{printer}");
        let auditor = text(TenantKind::Auditor, &[LoginStep::PublicKey]);
        assert!(!auditor.contains("age-keygen") && auditor.contains("3. Meld voor het eerst aan"), "{auditor}");
        let password = text(TenantKind::Municipality, &[LoginStep::Password]);
        assert!(!password.contains("ssh-keygen") && password.contains("sftp -P 2222 bree@"), "{password}");
    }
}
