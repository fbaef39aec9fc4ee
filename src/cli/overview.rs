//! `groeikluis overview`: which local authorities concluded something and which asked, per route, as the minister's
//! answer lists them; by province; and what each ground lacks before it can be used.

use std::{collections::BTreeMap, sync::Arc};

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{
    ConfigArgument, load,
    output::{Table, print_json, say},
};
use crate::{
    config::Settings,
    domain::{
        Ground, Kind, Protocol, Rule, Tenant, TenantKind,
        protocol::{Agreement, Route, Status},
        release::{Request, missing},
    },
    durable::Clock,
    exchange::onboarded,
    ledger::SqliteLedger,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// The routes, in the order of the minister's answer.
const ROUTES: [Route; 2] = [Route::Opgroeien, Route::Vutg];

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut settings = load(&arguments.config)?;
    let ledger = settings.state_dir.join("ledger.sqlite");
    if ledger.exists() {
        let ledger = SqliteLedger::open_to_read(&ledger)?;
        for tenant in settings.tenants.values_mut() {
            *tenant = onboarded(Arc::clone(tenant), &ledger)?;
        }
    }
    let today = Clock::system().today();
    let authorities = Authorities::of(&settings, today);
    let grounds = grounds(&settings, today);
    if arguments.json {
        return Ok(print_json(&as_json(&authorities, &grounds))?);
    }
    for route in ROUTES {
        say(&format!("{}:", title(route)));
        for (standing, label) in [(Standing::Concluded, "concluded"), (Standing::Interested, "interested")] {
            let names = authorities.names(route, standing);
            say(&format!("  {label} ({}): {}", names.len(), names.join(", ")));
        }
        say("");
    }
    authorities.by_province().print()?;
    say("");
    let mut table = Table::new(&["tenant", "reference", "ground", "status", "until", "missing"]);
    for ground in &grounds {
        let missing: Vec<&str> = ground.missing.iter().map(|rule| rule.code()).collect();
        table.row(vec![
            ground.tenant.clone(),
            ground.reference.clone(),
            ground.name.to_owned(),
            ground.status.to_owned(),
            ground.until.map(|day| day.to_string()).unwrap_or_default(),
            if missing.is_empty() { "nothing".to_owned() } else { missing.join(", ") },
        ]);
    }
    Ok(table.print()?)
}

fn title(route: Route) -> &'static str {
    match route {
        Route::Opgroeien => "Opgroeien (answers to lists)",
        Route::Vutg => "VUTG (assignments)",
    }
}

/// How far a local authority has come on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// A protocol or, for the route of VUTG, an agreement was signed, by both.
    Concluded,
    /// It asked, or a text is being written or signed.
    Interested,
}

impl Standing {
    fn of(tenant: &Tenant, route: Route, today: Date) -> Option<Self> {
        let mut protocols = tenant.protocols.iter().filter(|protocol| protocol.route == route);
        let mut agreements = tenant.agreements.iter().filter(|_| route == Route::Vutg);
        if agreements.clone().any(|agreement| agreement.unsigned(today).is_empty())
            || protocols.clone().any(|protocol| protocol.status == Status::Signed)
        {
            return Some(Self::Concluded);
        }
        let begun = |protocol: &Protocol| matches!(protocol.status, Status::Interested | Status::Draft);
        let has_begun = agreements.next().is_some() || protocols.any(begun);
        (tenant.interests.contains(&route) || has_begun).then_some(Self::Interested)
    }
}

/// The local authorities with their provinces, and the day on which they are asked about.
struct Authorities<'a> {
    all: Vec<Authority<'a>>,
    today: Date,
}

struct Authority<'a> {
    tenant: &'a Tenant,
    province: &'a str,
}

impl<'a> Authorities<'a> {
    fn of(settings: &'a Settings, today: Date) -> Self {
        let local = settings.tenants.values().filter(|tenant| tenant.kind.uploads());
        let mut authorities: Vec<Authority<'a>> = local
            .map(|tenant| {
                let municipality = tenant.nis_code.and_then(|code| settings.municipalities.by_code(code));
                Authority { tenant, province: municipality.map_or("", |found| found.province.as_str()) }
            })
            .collect();
        authorities.sort_by_key(|authority| short_name(authority.tenant));
        Self { all: authorities, today }
    }

    fn standing(&self, route: Route, standing: Standing) -> impl Iterator<Item = &Authority<'a>> {
        self.all.iter().filter(move |authority| Standing::of(authority.tenant, route, self.today) == Some(standing))
    }

    fn names(&self, route: Route, standing: Standing) -> Vec<&'a str> {
        self.standing(route, standing).map(|authority| short_name(authority.tenant)).collect()
    }

    fn by_province(&self) -> Table {
        let header = ["province", "opgroeien concluded", "interested", "vutg concluded", "interested"];
        let mut table = Table::new(&header);
        let columns: Vec<(Route, Standing)> = ROUTES
            .into_iter()
            .flat_map(|route| [(route, Standing::Concluded), (route, Standing::Interested)])
            .collect();
        let mut provinces: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, (route, standing)) in columns.iter().enumerate() {
            for authority in self.standing(*route, *standing) {
                let counts = provinces.entry(authority.province).or_insert_with(|| vec![0; columns.len()]);
                if let Some(count) = counts.get_mut(at) {
                    *count += 1;
                }
            }
        }
        for (province, counts) in provinces {
            table.row([province.to_owned()].into_iter().chain(counts.iter().map(ToString::to_string)).collect());
        }
        table
    }
}

/// The name without what every municipality puts before it.
fn short_name(tenant: &Tenant) -> &str {
    let name = tenant.name.as_str();
    ["Stad ", "Gemeente "].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// A protocol or agreement, with the rules of the gate that it does not meet.
struct GroundLine {
    tenant: String,
    reference: String,
    name: &'static str,
    status: &'static str,
    until: Option<Date>,
    missing: Vec<Rule>,
}

fn grounds(settings: &Settings, today: Date) -> Vec<GroundLine> {
    let printer = settings.tenants.values().map(Arc::as_ref).find(|tenant| tenant.kind == TenantKind::PrintPartner);
    let mut lines = Vec::new();
    for tenant in settings.tenants.values() {
        let agreements = tenant.agreements.iter();
        lines.extend(agreements.map(|agreement| agreement_line(tenant, agreement, printer, today)));
        lines.extend(tenant.protocols.iter().map(|protocol| protocol_line(tenant, protocol, today)));
    }
    lines
}

/// An agreement carries letters, which a printer gets.
fn agreement_line(tenant: &Tenant, agreement: &Agreement, printer: Option<&Tenant>, today: Date) -> GroundLine {
    let request = Request {
        tenant: printer.unwrap_or(tenant),
        ground: Ground::Agreement { of: tenant, id: &agreement.id, purpose: "" },
        kind: Kind::Brieven,
        columns: None,
        today,
        uses: 0,
    };
    let both = agreement.unsigned(today).is_empty();
    GroundLine {
        tenant: tenant.id.to_string(),
        reference: agreement.id.to_string(),
        name: "agreement",
        status: if both { Status::Signed } else { Status::Draft }.name(),
        until: Some(agreement.valid.until),
        missing: missing(request),
    }
}

/// What all kinds of a protocol lack together; of one that names no kind yet, what its route's first kind lacks. How
/// often it was used is the ledger's to say: it is asked here as if it never was.
fn protocol_line(tenant: &Tenant, protocol: &Protocol, today: Date) -> GroundLine {
    let usual = match protocol.route {
        Route::Opgroeien => Kind::SocialeToeslag,
        Route::Vutg => Kind::Gegevens,
    };
    let named = protocol.kinds.keys().copied();
    let kinds: Vec<Kind> = if protocol.kinds.is_empty() { vec![usual] } else { named.collect() };
    let mut rules: Vec<Rule> = Vec::new();
    for kind in kinds {
        let ground = Ground::Protocol(&protocol.id);
        let unmet = missing(Request { tenant, ground, kind, columns: None, today, uses: 0 });
        rules.extend(unmet.into_iter().filter(|rule| !rules.contains(rule)).collect::<Vec<_>>());
    }
    GroundLine {
        tenant: tenant.id.to_string(),
        reference: protocol.id.to_string(),
        name: protocol.route.name(),
        status: protocol.status.name(),
        until: protocol.valid.map(|valid| valid.until),
        missing: rules,
    }
}

fn as_json(authorities: &Authorities<'_>, grounds: &[GroundLine]) -> Value {
    let listed = |route, standing| -> Vec<Value> {
        let authority = |found: &Authority<'_>| json!({ "tenant": found.tenant.id.as_str(), "name": found.tenant.name, "province": found.province });
        authorities.standing(route, standing).map(authority).collect()
    };
    let routes: serde_json::Map<String, Value> = ROUTES
        .into_iter()
        .map(|route| {
            let concluded = listed(route, Standing::Concluded);
            let lists = json!({ "concluded": concluded, "interested": listed(route, Standing::Interested) });
            (route.name().to_owned(), lists)
        })
        .collect();
    let grounds: Vec<Value> = grounds
        .iter()
        .map(|ground| {
            json!({
                "tenant": ground.tenant,
                "reference": ground.reference,
                "ground": ground.name,
                "status": ground.status,
                "valid_until": ground.until.map(|day| day.to_string()),
                "missing": ground.missing.iter().map(|rule| rule.code()).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "routes": routes, "grounds": grounds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::protocol::BothParties;
    use std::path::Path;

    const TODAY: Date = jiff::civil::date(2026, 11, 22);

    fn example() -> Settings {
        crate::config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/groeikluis.yaml")).unwrap()
    }

    /// The minister's answer, with municipalities by the names that they have since their mergers.
    #[test]
    fn the_example_lists_whom_the_minister_listed() {
        let settings = example();
        let authorities = Authorities::of(&settings, TODAY);
        let concluded = |route| authorities.names(route, Standing::Concluded);
        assert_eq!(
            concluded(Route::Opgroeien),
            ["Bree", "Gingelom", "Kaprijke", "Leopoldsburg", "Linter", "Lokeren", "Lubbeek", "Maldegem"]
        );
        assert_eq!(concluded(Route::Vutg), ["Torhout"]);
        let interested = |route| authorities.names(route, Standing::Interested);
        let opgroeien = interested(Route::Opgroeien);
        assert_eq!(opgroeien.len(), 19, "{opgroeien:?}");
        assert!(["Aalter", "Dilbeek", "Zaventem"].iter().all(|name| opgroeien.contains(name)), "{opgroeien:?}");
        let vutg = interested(Route::Vutg);
        assert_eq!(vutg.len(), 30, "{vutg:?}");
        assert!(["Balen", "Gingelom", "Zwevegem"].iter().all(|name| vutg.contains(name)), "{vutg:?}");
    }

    #[test]
    fn an_agreement_that_one_party_signed_is_not_concluded() {
        let settings = example();
        let mut tenant =
            settings.tenants.values().find(|tenant| tenant.id.as_str() == "torhout").unwrap().as_ref().clone();
        tenant.protocols.clear();
        tenant.interests.clear();
        let mut standing = |agency, authority| {
            tenant.agreements[0].signed = BothParties { agency, authority };
            Standing::of(&tenant, Route::Vutg, TODAY)
        };
        let tomorrow = TODAY.tomorrow().ok();
        assert_eq!(standing(Some(TODAY), Some(TODAY)), Some(Standing::Concluded));
        for (agency, authority) in [(None, Some(TODAY)), (Some(TODAY), None), (tomorrow, Some(TODAY)), (None, None)] {
            assert_eq!(standing(agency, authority), Some(Standing::Interested), "{agency:?}, {authority:?}");
        }
        assert_eq!(Standing::of(&tenant, Route::Opgroeien, TODAY), None);
    }

    #[test]
    fn what_is_missing_is_what_the_gate_says() {
        let settings = example();
        let lines = grounds(&settings, TODAY);
        let missing = |reference: &str| lines.iter().find(|line| line.reference == reference).unwrap().missing.clone();
        assert_eq!(missing("VUTG-2026-001"), []);
        assert_eq!(missing("OPG-2026-017"), []);
        assert_eq!(missing("VUTG-2026-004"), [Rule::TechnicalTest, Rule::FunctionalTest]);
        let late = grounds(&settings, jiff::civil::date(2030, 1, 1));
        let late = late.iter().find(|line| line.reference == "VUTG-2026-004").unwrap();
        assert_eq!(late.missing, [Rule::NotEnded, Rule::TechnicalTest, Rule::FunctionalTest]);
    }
}
