//! What a report adds up: totals, months, protocols, and the bars of its charts.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{ToSpan, civil::Date};

use super::{AuditReport, Authority, Delivery, Refusal, words};
use crate::{documents::day::month_nl, domain::brussels_date};

/// Bars of days at most; a longer period has bars of months.
const MOST_DAYS: i32 = 31;

/// Bars of months at most; a longer period has bars of years.
const MOST_MONTHS: i32 = 36;

/// What happened in some time. Trials are not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Files with personal data.
    pub deliveries: u64,
    /// Rows of these.
    pub rows: u64,
    /// Those that were fetched whole.
    pub fetched: u64,
    /// Files without personal data: reports, refusals.
    pub others: u64,
    /// Lists and releases refused.
    pub refusals: u64,
    /// Logins.
    pub logins: u64,
    /// Logins refused.
    pub logins_refused: u64,
}

impl Totals {
    fn delivery(&mut self, delivery: &Delivery) {
        if delivery.kind.has_personal_data() {
            self.deliveries += 1;
            self.rows += delivery.rows;
            self.fetched += u64::from(delivery.fetched.is_some());
        } else {
            self.others += 1;
        }
    }

    /// Files with personal data that were not fetched.
    pub fn not_fetched(&self) -> u64 {
        self.deliveries - self.fetched
    }

    /// All counts, in the order in which sheet and page show them.
    pub fn counts(&self) -> [u64; 8] {
        let Self { deliveries, rows, fetched, others, refusals, logins, logins_refused, .. } = *self;
        [deliveries, rows, fetched, self.not_fetched(), others, refusals, logins, logins_refused]
    }
}

/// The totals of each month (`yyyy-mm`, Brussels) in which something happened.
pub(super) fn months(report: &AuditReport) -> BTreeMap<String, Totals> {
    let mut months: BTreeMap<String, Totals> = BTreeMap::new();
    let of = |at| brussels_date(at).strftime("%Y-%m").to_string();
    for delivery in report.deliveries.iter().filter(|delivery| !delivery.test) {
        months.entry(of(delivery.created)).or_default().delivery(delivery);
    }
    for refusal in report.refusals.iter().filter(|refusal| !refusal.test) {
        months.entry(of(refusal.at)).or_default().refusals += 1;
    }
    for logins in &report.logins {
        let month = months.entry(logins.month.clone()).or_default();
        let count = if logins.refused.is_some() { &mut month.logins_refused } else { &mut month.logins };
        *count += logins.count;
    }
    months
}

/// The totals of the period.
pub(super) fn totals(report: &AuditReport) -> Totals {
    let mut all = Totals::default();
    for month in months(report).values() {
        all.deliveries += month.deliveries;
        all.rows += month.rows;
        all.fetched += month.fetched;
        all.others += month.others;
        all.refusals += month.refusals;
        all.logins += month.logins;
        all.logins_refused += month.logins_refused;
    }
    all
}

/// What belongs to one protocol or agreement.
pub(super) struct OfProtocol<'a> {
    /// Its reference; none for what was refused before one was known.
    pub reference: Option<&'a str>,
    /// Whether that is the reference of an agreement: a protocol of another tenant may have the same.
    pub is_agreement: bool,
    pub deliveries: Vec<&'a Delivery>,
    pub refusals: Vec<&'a Refusal>,
}

impl OfProtocol<'_> {
    /// The different laws and purposes that its files name.
    pub fn grounds(&self) -> BTreeSet<(&str, &str)> {
        let named = self.deliveries.iter().filter(|delivery| !delivery.purpose.is_empty());
        named.map(|delivery| (delivery.legal_basis.as_str(), delivery.purpose.as_str())).collect()
    }

    /// The different tenants.
    pub fn tenants(&self) -> BTreeSet<&str> {
        let of_refusals = self.refusals.iter().map(|refusal| refusal.tenant.as_str());
        self.deliveries.iter().map(|delivery| delivery.tenant.as_str()).chain(of_refusals).collect()
    }

    /// The different local authorities on whose behalf others got something.
    pub fn authorities(&self) -> BTreeSet<&Authority> {
        self.deliveries.iter().filter_map(|delivery| delivery.on_behalf_of.as_ref()).collect()
    }

    /// The different columns that left.
    pub fn columns(&self) -> BTreeSet<&str> {
        self.deliveries.iter().flat_map(|delivery| &delivery.columns).map(String::as_str).collect()
    }

    pub fn totals(&self) -> Totals {
        let mut totals = Totals { refusals: self.refusals.len() as u64, ..Totals::default() };
        self.deliveries.iter().for_each(|delivery| totals.delivery(delivery));
        totals
    }
}

/// Everything by protocol or agreement, in the order of the references. A file that explains a refusal stands with the refusal,
/// although the reference in its name may be that of no protocol.
pub(super) fn by_protocol(report: &AuditReport, test: bool) -> Vec<OfProtocol<'_>> {
    let mut found: BTreeMap<(Option<&str>, bool), OfProtocol<'_>> = BTreeMap::new();
    let empty = |(reference, is_agreement)| OfProtocol {
        reference,
        is_agreement,
        deliveries: Vec::new(),
        refusals: Vec::new(),
    };
    let mut ground_of: BTreeMap<&str, (Option<&str>, bool)> = BTreeMap::new();
    for refusal in report.refusals.iter().filter(|refusal| refusal.test == test) {
        let ground = (refusal.protocol.as_deref(), refusal.agreement);
        found.entry(ground).or_insert_with(|| empty(ground)).refusals.push(refusal);
        ground_of.extend(refusal.file.as_deref().map(|file| (file, ground)));
    }
    for delivery in report.deliveries.iter().filter(|delivery| delivery.test == test) {
        let of_refusal = ground_of.get(delivery.file.as_str()).copied();
        let ground = of_refusal.unwrap_or((Some(delivery.protocol.as_str()), delivery.is_under_agreement()));
        found.entry(ground).or_insert_with(|| empty(ground)).deliveries.push(delivery);
    }
    found.into_values().collect()
}

/// A bar of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// Under it: `21`, `nov`, `2026`.
    pub label: String,
    /// Read aloud: `21/11/2026`, `november 2026`, `2026`.
    pub name: String,
    /// From bottom to top.
    pub values: [u64; 2],
}

/// Bars over the period: of days, months or years, so that they stay wide enough to be seen.
pub(super) fn bars(report: &AuditReport, values: impl Iterator<Item = (Date, usize)>) -> Vec<Bar> {
    let (first, last) = (report.from, report.until);
    let days = last.since(first).map_or(0, |span| span.get_days()) + 1;
    let months = i32::from(last.year() - first.year()) * 12 + i32::from(last.month() - first.month()) + 1;
    let start = |day: Date| match () {
        () if days <= MOST_DAYS => day,
        () if months <= MOST_MONTHS => day.first_of_month(),
        () => day.first_of_year(),
    };
    let mut counted: BTreeMap<Date, [u64; 2]> = BTreeMap::new();
    let mut day = start(first);
    while day <= last {
        counted.insert(day, [0; 2]);
        let next = match () {
            () if days <= MOST_DAYS => day.checked_add(1.day()),
            () if months <= MOST_MONTHS => day.checked_add(1.month()),
            () => day.checked_add(1.year()),
        };
        let Ok(next) = next else { break };
        day = next;
    }
    for (day, which) in values {
        if let Some(count) = counted.get_mut(&start(day)).and_then(|bar| bar.get_mut(which)) {
            *count += 1;
        }
    }
    let of_bar = |(day, values): (Date, [u64; 2])| match () {
        () if days <= MOST_DAYS => Bar { label: day.day().to_string(), name: words::day(day), values },
        () if months <= MOST_MONTHS => {
            let name = month_nl(day.month());
            // With several years a month's name is not enough.
            let label = if months > 12 { day.strftime("%m/%y").to_string() } else { name.chars().take(3).collect() };
            Bar { label, name: format!("{name} {}", day.year()), values }
        }
        () => Bar { label: day.year().to_string(), name: day.year().to_string(), values },
    };
    counted.into_iter().map(of_bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::audit::tests::made;
    use jiff::civil::date;

    #[test]
    fn bars_are_of_days_months_or_years() {
        let mut report = made();
        for (from, until, count, label) in [
            (date(2026, 11, 1), date(2026, 11, 1), 1, "1"),
            (date(2026, 10, 30), date(2026, 11, 29), 31, "30"),
            (date(2026, 10, 30), date(2026, 11, 30), 2, "okt"),
            (date(2026, 1, 31), date(2028, 12, 1), 36, "01/26"),
            (date(2026, 1, 31), date(2029, 1, 1), 4, "2026"),
        ] {
            (report.from, report.until) = (from, until);
            let bars = bars(&report, [(from, 0), (until, 1), (until, 1), (date(2020, 1, 1), 0)].into_iter());
            assert_eq!((bars.len(), bars[0].label.as_str()), (count, label), "{from} to {until}");
            assert_eq!(bars[0].values[0], 1);
            assert_eq!(bars[count - 1].values[1], 2);
        }
    }

    #[test]
    fn totals_leave_trials_out_and_count_each_month_once() {
        let report = made();
        let months = months(&report);
        let all = totals(&report);
        assert_eq!(all.deliveries, months.values().map(|month| month.deliveries).sum::<u64>());
        assert_eq!((all.deliveries, all.fetched, all.not_fetched()), (4, 3, 1));
        assert_eq!(by_protocol(&report, true).len(), 1);
        let references: Vec<_> = by_protocol(&report, false).into_iter().map(|group| group.reference).collect();
        assert_eq!(references, [None, Some("OPG-2026-017"), Some("VUTG-2026-001"), Some("VUTG-2026-003")]);
    }
}
