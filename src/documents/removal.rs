//! The certificate of what was removed (`rapport`, reference `verwijdering`): for the tenant whose files they were, and
//! for whoever asks it later where they are.

use jiff::{Timestamp, civil::Date};

use super::{
    day::date_nl,
    figures::number,
    wording::{line, paragraph, repeatable},
};
use crate::domain::in_brussels;

/// What a certificate is about.
#[derive(Debug, Clone, Copy)]
pub struct RemovalCertificate<'a> {
    /// The tenant's name for people.
    pub tenant: &'a str,
    /// The day it is made, in Brussels.
    pub day: Date,
    /// Whom the tenant can turn to.
    pub contact: &'a str,
}

/// Something that was removed.
#[derive(Debug, Clone)]
pub struct Removed {
    /// What it was, and why it was removed.
    pub what: RemovedWhat,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of what was on disk, hexadecimal.
    pub sha256: String,
    /// The place of its entry in the log.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
}

/// What was removed, and why.
#[derive(Debug, Clone)]
pub enum RemovedWhat {
    /// A file of the outbox whose time was over.
    Expired {
        /// Its name.
        file: String,
        /// Its last day.
        until: Option<Date>,
    },
    /// A file of the outbox that was taken back.
    Withdrawn {
        /// Its name.
        file: String,
        /// Why, in an operator's words.
        motive: String,
    },
    /// An upload that was answered or refused.
    Upload {
        /// The name of its receipt: the name that its tenant gave it is removed with it.
        receipt: String,
    },
}

/// Makes the certificate; there is at least one removal.
pub fn verwijderingsbewijs(about: &RemovalCertificate<'_>, removed: &[Removed]) -> String {
    let mut out = String::new();
    line(&mut out, "Bewijs van verwijdering");
    line(&mut out, "");
    line(&mut out, &format!("Bestuur:     {}", repeatable(about.tenant)));
    line(&mut out, &format!("Datum:       {}", date_nl(about.day)));
    let files = if removed.len() == 1 { "bestand" } else { "bestanden" };
    line(&mut out, &format!("Verwijderd:  {} {files}", number(removed.len() as u64)));
    line(&mut out, "");
    paragraph(
        &mut out,
        "",
        0,
        "Wat hieronder staat, is verwijderd uit uw postbus en van de schijven van de uitwisseling. Elke verwijdering staat \
         in het logboek, onder het vermelde nummer. De ontvangstbewijzen in /log/receipts blijven staan en blijven \
         geldig. Verzegelde reservekopieën die vroeger gemaakt zijn, kunnen een bestand nog bevatten tot ze zelf \
         vervallen.",
    );
    let (uploads, deliveries): (Vec<_>, Vec<_>) =
        removed.iter().partition(|removed| matches!(removed.what, RemovedWhat::Upload { .. }));
    for (title, part) in [("Uit /outbox en /test/outbox", deliveries), ("Door u opgeladen en afgehandeld", uploads)] {
        if !part.is_empty() {
            line(&mut out, "");
            line(&mut out, title);
        }
        for removed in part {
            entry(&mut out, removed);
        }
    }
    line(&mut out, "");
    paragraph(&mut out, "", 0, &format!("Vragen? {}", about.contact));
    out
}

fn entry(out: &mut String, removed: &Removed) {
    let (name, reason) = match &removed.what {
        RemovedWhat::Expired { file, until: Some(until) } => {
            (file.clone(), format!("de bewaartermijn liep tot en met {}", date_nl(*until)))
        }
        RemovedWhat::Expired { file, until: None } => (file.clone(), "de bewaartermijn is verstreken".to_owned()),
        RemovedWhat::Withdrawn { file, motive } => (file.clone(), format!("ingetrokken: {}", repeatable(motive))),
        RemovedWhat::Upload { receipt } => {
            (format!("upload met ontvangstbewijs {receipt}"), "de bewaartermijn van uploads is verstreken".to_owned())
        }
    };
    line(out, "");
    paragraph(out, "- ", 2, &name);
    paragraph(out, "  ", 2, &format!("Reden: {reason}."));
    let at = in_brussels(removed.at).strftime("%d/%m/%Y %H:%M:%S");
    paragraph(out, "  ", 2, &format!("Verwijderd op {at}, lognummer {}.", removed.seq));
    let size = number(removed.size);
    paragraph(out, "  ", 2, &format!("{size} bytes; SHA-256 van wat op schijf stond: {}", removed.sha256));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::golden;
    use jiff::civil::date;

    fn removed(what: RemovedWhat, seq: u64) -> Removed {
        Removed { what, size: 1_204, sha256: hex::encode([7; 32]), seq, at: "2027-02-20T02:00:05Z".parse().unwrap() }
    }

    #[test]
    fn a_certificate_names_each_removal_with_its_reason() {
        let about =
            RemovalCertificate { tenant: "Stad Bree", day: date(2027, 2, 20), contact: "helpdesk@groeikluis.example" };
        let file = |sequence: u32| format!("sociale-toeslag_72004_OPG-2026-017_20261121_{sequence:04}.csv.age");
        let motive = "verkeerde maand, gevraagd over 85.07.30-033.28".to_owned();
        let text = verwijderingsbewijs(
            &about,
            &[
                removed(RemovedWhat::Upload { receipt: "upload_20261121_5f0c8a1e.receipt".to_owned() }, 814),
                removed(RemovedWhat::Expired { file: file(7), until: Some(date(2027, 2, 19)) }, 812),
                removed(RemovedWhat::Expired { file: file(8), until: None }, 813),
                removed(RemovedWhat::Withdrawn { file: file(9), motive }, 790),
            ],
        );
        golden::compare("verwijderingsbewijs.txt", &text);
        assert!(!text.contains("85.07.30"), "{text}");
    }
}
