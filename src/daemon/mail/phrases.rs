//! The sentences of mails, in both languages side by side.
//!
//! Dutch is what local authorities read; English is there for who sets `language: en`. A sentence with a count has a
//! singular. Codes and names of files are the same in both.

use jiff::{Timestamp, civil::Date};

use crate::{
    config::Language,
    daemon::{
        disks::FullDisk,
        inboxes::FullInbox,
        needs::{Ending, Ends, Overdue, SetAside},
    },
    documents::{
        audit::{kind_nl, reason_nl},
        date_nl, size,
    },
    domain::{Kind, in_brussels},
    transfer_log::MailTopic,
};

/// The sentences of one language.
#[derive(Debug, Clone, Copy)]
pub(in crate::daemon) struct Phrases(pub Language);

impl Phrases {
    /// One of two fixed texts.
    pub fn pick(self, dutch: &'static str, english: &'static str) -> &'static str {
        match self.0 {
            Language::Dutch => dutch,
            Language::English => english,
        }
    }

    /// A day: `21 november 2026`.
    pub fn day(self, day: Date) -> String {
        match self.0 {
            Language::Dutch => date_nl(day),
            Language::English => day.strftime("%-d %B %Y").to_string(),
        }
    }

    /// A moment in Brussels: `21 november 2026 om 10.30 uur`.
    pub fn moment(self, at: Timestamp) -> String {
        let local = in_brussels(at);
        let day = self.day(local.date());
        match self.0 {
            Language::Dutch => format!("{day} om {} uur", local.strftime("%H.%M")),
            Language::English => format!("{day} at {}", local.strftime("%H:%M")),
        }
    }

    /// What a kind of file is.
    pub fn kind(self, kind: Kind) -> &'static str {
        match self.0 {
            Language::Dutch => kind_nl(kind),
            Language::English => kind.name(),
        }
    }

    /// Why something was refused, with its code.
    pub fn reason(self, code: &str) -> String {
        match reason_nl(code).filter(|_| self.0 == Language::Dutch) {
            Some(words) => format!("{words} ({code})"),
            None => code.to_owned(),
        }
    }

    /// What stands in a subject for so many news of a topic, to a tenant.
    pub fn tenant_subject(self, topic: MailTopic, count: usize) -> String {
        let one = count == 1;
        let (dutch, english) = match (topic, one) {
            (MailTopic::Refused, true) => ("bestand geweigerd", "file refused"),
            (MailTopic::Refused, false) => ("bestanden geweigerd", "files refused"),
            (MailTopic::Unfetched, true) => ("bestand nog niet opgehaald", "file not fetched yet"),
            (MailTopic::Unfetched, false) => ("bestanden nog niet opgehaald", "files not fetched yet"),
            (_, true) => ("bestand klaar", "file ready"),
            (_, false) => ("bestanden klaar", "files ready"),
        };
        format!("{count} {}", self.pick(dutch, english))
    }

    /// The same, to those who run the exchange.
    pub fn ops_subject(self, topic: MailTopic, count: usize) -> String {
        let counted = |one: (&'static str, &'static str), more: (&'static str, &'static str)| {
            let (dutch, english) = if count == 1 { one } else { more };
            format!("{count} {}", self.pick(dutch, english))
        };
        match topic {
            MailTopic::Ending => counted(("einddatum nadert", "end is near"), ("einddatums naderen", "ends are near")),
            MailTopic::Overdue => counted(("lijst te laat", "list overdue"), ("lijsten te laat", "lists overdue")),
            MailTopic::Register => self.pick("register geweigerd", "register refused").to_owned(),
            MailTopic::Log => self.pick("logboek nakijken", "look at the log").to_owned(),
            MailTopic::Disk => self.pick("schijf bijna vol", "disk nearly full").to_owned(),
            MailTopic::Service => self.pick("dienst loopt niet", "service does not run").to_owned(),
            MailTopic::Inbox => {
                counted(("inbox bijna vol", "inbox nearly full"), ("inboxen bijna vol", "inboxes nearly full"))
            }
            MailTopic::Aside => {
                counted(("lijst opzijgezet", "list set aside"), ("lijsten opzijgezet", "lists set aside"))
            }
            MailTopic::Refused | MailTopic::Ready | MailTopic::Unfetched => {
                counted(("weigering", "refusal"), ("weigeringen", "refusals"))
            }
        }
    }

    /// The heading over a topic.
    pub fn heading(self, topic: MailTopic) -> &'static str {
        match topic {
            MailTopic::Ready => self.pick("KLAAR OM OP TE HALEN", "READY TO FETCH"),
            MailTopic::Refused => self.pick("GEWEIGERD", "REFUSED"),
            MailTopic::Unfetched => self.pick("NOG NIET OPGEHAALD", "NOT FETCHED YET"),
            MailTopic::Ending => self.pick("LOOPT AF", "ENDS SOON"),
            MailTopic::Overdue => self.pick("GEEN LIJST ONTVANGEN", "NO LIST RECEIVED"),
            MailTopic::Register => self.pick("REGISTER", "REGISTER"),
            MailTopic::Log => self.pick("TRANSFERLOGBOEK", "TRANSFER LOG"),
            MailTopic::Disk => self.pick("SCHIJFRUIMTE", "DISK SPACE"),
            MailTopic::Service => self.pick("DIENST", "SERVICE"),
            MailTopic::Inbox => self.pick("PLAATS VOOR UPLOADS", "ROOM FOR UPLOADS"),
            MailTopic::Aside => self.pick("OPZIJGEZET", "SET ASIDE"),
        }
    }

    /// What a tenant does about a topic.
    pub fn tenant_to_do(self, topic: MailTopic) -> &'static str {
        match topic {
            MailTopic::Refused => self.pick(
                "Haal de uitleg op: daarin staat wat u kunt doen. Voor wat geweigerd is, zijn geen gegevens \
                 uitgewisseld.",
                "Fetch the explanation: it says what you can do. No data were exchanged for what was refused.",
            ),
            _ => self.pick(
                "Meld u aan met SFTP, haal op wat klaarstaat en open het met de sleutel van uw bestuur. Hoe dat gaat, \
                 leest u in LEESMIJ.txt in uw map. Na de vermelde dag wordt een bestand verwijderd.",
                "Log in with SFTP, fetch what is ready and open it with your authority's key. LEESMIJ.txt in your \
                 folder tells how. After the day given, a file is removed.",
            ),
        }
    }

    /// What those who run the exchange do about a topic.
    pub fn ops_to_do(self, topic: MailTopic) -> &'static str {
        match topic {
            MailTopic::Ending => self.pick(
                "Vraag het bestuur een nieuwe sleutel, of verleng wat moet doorlopen. Pas het bestand van het bestuur \
                 aan en bekijk het gevolg eerst met `groeikluis plan`.",
                "Ask the local authority for a new key, or extend what must go on. Change its file, and look at the \
                 effect with `groeikluis plan` first.",
            ),
            MailTopic::Overdue => self.pick(
                "Vraag het bestuur of er nog een lijst komt.",
                "Ask the local authority whether a list is still to come.",
            ),
            MailTopic::Register => self.pick(
                "Wat in gebruik was, blijft in gebruik; was er niets in gebruik, dan wachten de lijsten. Zet een goed \
                 bestand in de plaats, door het te hernoemen: het wordt dan meteen geladen. De dienst meldde de volledige \
                 fout (journalctl -u groeikluis).",
                "What was in use stays in use; where nothing was in use, lists wait. Put a good file in its place, by \
                 renaming: it is then loaded at once. The service reported the whole fault (journalctl -u groeikluis).",
            ),
            MailTopic::Log => self.pick(
                "Kijk na wat de dienst meldde (journalctl -u groeikluis) en controleer het logboek met `groeikluis \
                 audit verify`.",
                "See what the service reported (journalctl -u groeikluis), and verify the log with `groeikluis audit \
                 verify`.",
            ),
            MailTopic::Disk => self.pick(
                "Maak plaats of vergroot de schijf. Is ze vol, dan weigert de uitwisseling elke lijst en elke download, tot \
                 het logboek weer geschreven kan worden. Wat lang genoeg bewaard is, verwijdert `groeikluis retention`.",
                "Make room, or enlarge the disk. When it is full, the exchange refuses every list and download until the \
                 log can be written again. What was kept long enough is removed by `groeikluis retention`.",
            ),
            MailTopic::Inbox => self.pick(
                "Wat daar niet in past, wordt geweigerd. Ook behandelde bestanden tellen mee tot ze gewist worden \
                 (`answered_uploads_days`). Vraag het bestuur wat het stuurt, of geef het meer plaats (`inbox_bytes` in \
                 zijn bestand).",
                "What does not fit is refused. Uploads that were answered count until they are removed \
                 (`answered_uploads_days`). Ask the local authority what it sends, or give it more room (`inbox_bytes` \
                 in its file).",
            ),
            MailTopic::Aside => self.pick(
                "De behandeling van deze lijst brak herhaaldelijk af, of die van andere lijsten van hetzelfde bestuur, ook \
                 toen er geen andere lijst of opdracht naast liep. De dienst probeert haar niet meer, zodat de andere \
                 lijsten verder kunnen. Het bestand is bewaard en het bestuur wacht. \
                 Kijk na wat de dienst meldde (journalctl -u groeikluis), en probeer de lijst opnieuw met `groeikluis \
                 tenant retry NAAM`, zo nodig met een nieuwe versie of met meer geheugen (`MemoryMax=`).",
                "Work on this list broke off repeatedly, or on others of the same local authority, also with no other list or \
                 run beside it. The service tries it no more, so that the others can go on. The file is kept, and the local authority waits. See what the service \
                 reported (journalctl -u groeikluis), and try the list again with `groeikluis tenant retry NAME`, with a \
                 new version or more memory (`MemoryMax=`) where needed.",
            ),
            MailTopic::Service => self.pick(
                "Kijk na wat de dienst meldde (journalctl -u groeikluis).",
                "See what the service reported (journalctl -u groeikluis).",
            ),
            MailTopic::Refused | MailTopic::Ready | MailTopic::Unfetched => self.pick(
                "Bij een geweigerde lijst vond het bestuur uitleg in zijn map. Alles over een bestuur: `groeikluis \
                 audit show --tenant NAAM`.",
                "With a refused list, the local authority found an explanation in its folder. All about one: \
                 `groeikluis audit show --tenant NAME`.",
            ),
        }
    }

    /// That files were not fetched for so many days.
    pub fn lain(self, days: u32) -> String {
        match (self.0, days) {
            (Language::Dutch, 1) => "Dit staat al een dag of langer klaar:".to_owned(),
            (Language::Dutch, _) => format!("Dit staat al {days} dagen of langer klaar:"),
            (Language::English, 1) => "This has been ready for a day or more:".to_owned(),
            (Language::English, _) => format!("This has been ready for {days} days or more:"),
        }
    }

    /// Something that ends, with its day.
    pub fn ending(self, ending: &Ending, days: i32) -> String {
        let Ending { tenant, what, last_day } = ending;
        let what = match what {
            Ends::Key { label, .. } => format!("{} {label}", self.pick("sleutel", "key")),
            Ends::Authority { label, .. } => {
                format!("{} {label}", self.pick("uitgever van certificaten", "certificate authority"))
            }
            Ends::Protocol(id) => format!("protocol {id}"),
            Ends::Agreement(id) => format!("{} {id}", self.pick("samenwerkingsakkoord", "agreement")),
        };
        let day = self.day(*last_day);
        match (self.0, days) {
            (Language::Dutch, ..0) => format!("{tenant}: {what} is verlopen sinds {day}"),
            (Language::Dutch, 0) => format!("{tenant}: {what} geldt vandaag voor het laatst"),
            (Language::Dutch, 1) => format!("{tenant}: {what} geldt tot en met morgen, {day}"),
            (Language::Dutch, _) => format!("{tenant}: {what} geldt tot en met {day}, nog {days} dagen"),
            (Language::English, ..0) => format!("{tenant}: {what} ended on {day}"),
            (Language::English, _) => format!("{tenant}: {what} ends on {day}, in {days} days"),
        }
    }

    /// A list that did not come.
    pub fn overdue(self, overdue: &Overdue) -> String {
        let Overdue { tenant, protocol, from, until } = overdue;
        let (from, until) = (self.day(*from), self.day(*until));
        match self.0 {
            Language::Dutch => format!("{tenant}: protocol {protocol}, geen lijst van {from} tot en met {until}"),
            Language::English => format!("{tenant}: protocol {protocol}, no list from {from} to {until}"),
        }
    }

    /// A disk with what is left of it.
    pub fn full_disk(self, disk: &FullDisk) -> String {
        let (free, total) = disk.room();
        let (free, total) = (size(free), size(total));
        let directory = disk.directory.display();
        match self.0 {
            Language::Dutch => format!("{directory}: nog {free} vrij van {total}"),
            Language::English => format!("{directory}: {free} free of {total}"),
        }
    }

    /// A tenant's uploads with what they may take.
    pub fn full_inbox(self, inbox: &FullInbox) -> String {
        let (taken, limit) = inbox.sizes();
        let (tenant, taken, limit) = (&inbox.tenant, size(taken), size(limit));
        match self.0 {
            Language::Dutch => format!("{tenant}: uploads nemen {taken} in van {limit}"),
            Language::English => format!("{tenant}: uploads take {taken} of {limit}"),
        }
    }

    /// A list that is not tried any more.
    pub fn set_aside(self, aside: &SetAside) -> String {
        let SetAside { tenant, id, received_at, parked } = aside;
        let at = self.moment(*received_at);
        let why = match parked {
            true => {
                self.pick(", om andere lijsten van dit bestuur", ", because of other lists of this local authority")
            }
            false => "",
        };
        match self.0 {
            Language::Dutch => format!("{tenant}: lijst van {at} ({id}){why}"),
            Language::English => format!("{tenant}: list of {at} ({id}){why}"),
        }
    }

    /// Why a register was refused: the code of the log.
    pub fn register(self, code: &str, line: Option<u64>, column: Option<u64>) -> String {
        let what = match code {
            "key" => self.pick("de sleutel kan niet gebruikt worden", "its key cannot be used"),
            "file" => self.pick("het bestand kan niet gelezen worden", "the file cannot be read"),
            "sealed" => self.pick("het bestand gaat niet open met de sleutel", "the file does not open with the key"),
            "earlier-month" => self.pick(
                "het is van een vroegere maand dan wat in gebruik is; met `register load --accept-change` wordt het toch \
                 genomen",
                "it is of an earlier month than the one in use; `register load --accept-change` takes it all the same",
            ),
            "fewer-children" => self.pick(
                "het heeft veel minder kinderen dan wat in gebruik is; met `register load --accept-change` wordt het toch \
                 genomen",
                "it has far fewer children than the one in use; `register load --accept-change` takes it all the same",
            ),
            "less-of-part" => self.pick(
                "het heeft van een bron, van een gemeente of van de rekeningen te weinig tegenover wat in gebruik is; \
                 met `register load --accept-change` wordt het toch genomen",
                "it has too little of a source, a municipality or the accounts beside the one in use; `register load \
                 --accept-change` takes it all the same",
            ),
            _ => self.pick("de inhoud is niet juist", "the content is at fault"),
        };
        let places = [(self.pick("regel", "line"), line), (self.pick("kolom", "column"), column)];
        let places = places.into_iter().filter_map(|(name, number)| Some(format!(", {name} {}", number?)));
        format!("{what}{}", places.collect::<String>())
    }
}
