//! Values of the YAML files that are one of a few words.

use crate::domain::{
    TenantKind,
    assignment::{PaymentFormat, Product, Recurrence, Unit},
    protocol::{Outside, Period, Reply, Route, Status},
    tenant::{LoginStep, UploadRule},
};

use super::{Environment, Language, MailTls};

/// A value that is one of a few words.
pub(super) trait Word: Copy + 'static {
    /// Each word with its value.
    const WORDS: &'static [(&'static str, Self)];
}

impl Word for Environment {
    const WORDS: &'static [(&'static str, Self)] = &[("production", Self::Production), ("demo", Self::Demo)];
}

impl Word for Language {
    const WORDS: &'static [(&'static str, Self)] = &[("nl", Self::Dutch), ("en", Self::English)];
}

impl Word for MailTls {
    const WORDS: &'static [(&'static str, Self)] =
        &[("starttls", Self::StartTls), ("tls", Self::Tls), ("none", Self::None)];
}

impl Word for TenantKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("municipality", Self::Municipality),
        ("ocmw", Self::Ocmw),
        ("print-partner", Self::PrintPartner),
        ("auditor", Self::Auditor),
    ];
}

impl Word for LoginStep {
    const WORDS: &'static [(&'static str, Self)] = &[("publickey", Self::PublicKey), ("password", Self::Password)];
}

impl Word for UploadRule {
    const WORDS: &'static [(&'static str, Self)] = &[("any", Self::Any), ("sealed-only", Self::SealedOnly)];
}

impl Word for Route {
    const WORDS: &'static [(&'static str, Self)] = &[("opgroeien", Self::Opgroeien), ("vutg", Self::Vutg)];
}

impl Word for Status {
    const WORDS: &'static [(&'static str, Self)] =
        &[("interested", Self::Interested), ("draft", Self::Draft), ("signed", Self::Signed), ("ended", Self::Ended)];
}

impl Word for Reply {
    const WORDS: &'static [(&'static str, Self)] =
        &[("entitled-only", Self::EntitledOnly), ("every-child", Self::EveryChild)];
}

impl Word for Outside {
    const WORDS: &'static [(&'static str, Self)] = &[("withhold", Self::Withhold), ("answer", Self::Answer)];
}

impl Word for Period {
    const WORDS: &'static [(&'static str, Self)] = &[("year", Self::Year), ("month", Self::Month)];
}

impl Word for Unit {
    const WORDS: &'static [(&'static str, Self)] = &[("child", Self::Child), ("family", Self::Family)];
}

impl Word for Product {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("gegevens", Self::Gegevens),
        ("betaling", Self::Betaling),
        ("brieven", Self::Brieven),
        ("rapport", Self::Rapport),
    ];
}

impl Word for Recurrence {
    const WORDS: &'static [(&'static str, Self)] =
        &[("once", Self::Once), ("yearly", Self::Yearly), ("monthly", Self::Monthly)];
}

impl Word for PaymentFormat {
    const WORDS: &'static [(&'static str, Self)] =
        &[("csv", Self::Csv), ("pain.001.001.09", Self::Pain00100109), ("pain.001.001.03", Self::Pain00100103)];
}

/// The words alone, for schemas.
pub(super) fn words<T: Word>() -> Vec<&'static str> {
    T::WORDS.iter().map(|(word, _)| *word).collect()
}

/// What a data protection officer says; true for positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Positive(pub bool);

impl Word for Positive {
    const WORDS: &'static [(&'static str, Self)] = &[("positive", Self(true)), ("negative", Self(false))];
}

/// Whether a protocol serves once or in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UseKind {
    Once,
    Periodic,
}

impl Word for UseKind {
    const WORDS: &'static [(&'static str, Self)] = &[("once", Self::Once), ("periodic", Self::Periodic)];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_domain() {
        assert!(TenantKind::WORDS.iter().all(|(word, kind)| kind.name() == *word));
        assert!(Route::WORDS.iter().all(|(word, route)| route.name() == *word));
        assert!(Status::WORDS.iter().all(|(word, status)| status.name() == *word));
        assert!(Unit::WORDS.iter().all(|(word, unit)| unit.name() == *word));
        assert!(Product::WORDS.iter().all(|(word, product)| product.name() == *word));
        assert!(Recurrence::WORDS.iter().all(|(word, recurrence)| recurrence.name() == *word));
        assert!(PaymentFormat::WORDS.iter().all(|(word, format)| format.name() == *word));
    }
}
