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
    /// An upload.
    Upload {
        /// The name of its receipt: the name that its tenant gave it is removed with it.
        receipt: String,
        /// How far it came.
        end: UploadEnd,
    },
}

/// How far an upload came before it was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadEnd {
    /// It was answered or refused.
    Settled,
    /// It never had its own name, so that it was not taken.
    Unfinished,
    /// Nobody answered it, since its tenant was not known then.
    Unanswered,
}

impl UploadEnd {
    fn title_nl(self) -> &'static str {
        match self {
            Self::Settled => "Door u opgeladen en afgehandeld",
            Self::Unfinished => "Door u opgeladen en onvolledig gebleven",
            Self::Unanswered => "Door u opgeladen en niet beantwoord",
        }
    }

    fn reason_nl(self) -> &'static str {
        match self {
            Self::Settled => "de bewaartermijn van uploads is verstreken",
            Self::Unfinished => {
                "het bestand kreeg nooit zijn definitieve naam, zodat het niet verwerkt is; stuur het opnieuw als u \
                 nog een antwoord nodig hebt"
            }
            Self::Unanswered => {
                "uw bestuur was toen niet aangesloten op de uitwisseling, zodat de lijst niet beantwoord is; stuur de \
                 lijst opnieuw als u nog een antwoord nodig hebt"
            }
        }
    }
}

impl RemovedWhat {
    fn upload_end(&self) -> Option<UploadEnd> {
        match self {
            Self::Expired { .. } | Self::Withdrawn { .. } => None,
            Self::Upload { end, .. } => Some(*end),
        }
    }
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
    for upload_end in [None, Some(UploadEnd::Settled), Some(UploadEnd::Unfinished), Some(UploadEnd::Unanswered)] {
        let mut part = removed.iter().filter(|removed| removed.what.upload_end() == upload_end).peekable();
        if part.peek().is_some() {
            line(&mut out, "");
            line(&mut out, upload_end.map_or("Uit /outbox en /test/outbox", UploadEnd::title_nl));
        }
        for removed in part {
            entry(&mut out, removed);
        }
    }
    line(&mut out, "");
    paragraph(&mut out, "", 0, &format!("Vragen? Neem contact op met {}.", about.contact));
    out
}

fn entry(out: &mut String, removed: &Removed) {
    let (name, reason) = match &removed.what {
        RemovedWhat::Expired { file, until: Some(until) } => {
            (file.clone(), format!("de bewaartermijn liep tot en met {}", date_nl(*until)))
        }
        RemovedWhat::Expired { file, until: None } => (file.clone(), "de bewaartermijn is verstreken".to_owned()),
        RemovedWhat::Withdrawn { file, motive } => (file.clone(), format!("ingetrokken: {}", repeatable(motive))),
        RemovedWhat::Upload { receipt, end } => {
            (format!("upload met ontvangstbewijs {receipt}"), end.reason_nl().to_owned())
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
        let upload = |id: &str, end, seq| {
            removed(RemovedWhat::Upload { receipt: format!("upload_20261121_{id}.receipt"), end }, seq)
        };
        let motive = "verkeerde maand, gevraagd over 85.07.30-033.28".to_owned();
        let text = verwijderingsbewijs(
            &about,
            &[
                upload("5f0c8a1e", UploadEnd::Settled, 814),
                upload("a09b33c4", UploadEnd::Unanswered, 816),
                upload("77d1e208", UploadEnd::Unfinished, 815),
                removed(RemovedWhat::Expired { file: file(7), until: Some(date(2027, 2, 19)) }, 812),
                removed(RemovedWhat::Expired { file: file(8), until: None }, 813),
                removed(RemovedWhat::Withdrawn { file: file(9), motive }, 790),
            ],
        );
        golden::compare("verwijderingsbewijs.txt", &text);
        assert!(!text.contains("85.07.30"), "{text}");
    }
}
