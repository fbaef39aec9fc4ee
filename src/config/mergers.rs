//! `former_nis_codes`: the municipalities that a tenant's was merged of.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    fault::{Faults, Position},
    fields::Fields,
    tenant_file::{PlacedTenant, Surroundings},
};
use crate::domain::{Municipalities, NisCode, Tenant, TenantId, TenantKind, merger_of};

/// What a code became by a merger that is known, in words.
pub(super) fn became(former: NisCode, municipalities: Option<&Municipalities>) -> Option<String> {
    let merger = merger_of(former)?;
    let name = municipalities.and_then(|table| table.by_code(merger.today));
    let name = name.map(|municipality| format!(" ({})", municipality.name)).unwrap_or_default();
    Some(format!("{former} became {}{name} in {}", merger.today, merger.year))
}

/// Reads the former codes of a tenant whose kind and code are these.
pub(super) fn read(
    fields: &Fields<'_>,
    (kind, nis_code): (Option<TenantKind>, Option<NisCode>),
    around: &Surroundings<'_>,
) -> Vec<(NisCode, Position)> {
    let mut codes: Vec<(NisCode, Position)> = Vec::new();
    if let (Some(item), Some(kind)) = (fields.item("former_nis_codes"), kind.filter(|kind| !kind.uploads())) {
        item.fault(format!("a tenant of kind {} is of no municipality", kind.name()), Some("leave the codes out"));
    }
    for item in fields.list("former_nis_codes") {
        let Some(code) = item.parsed::<NisCode>() else { continue };
        let today = around.municipalities.and_then(|table| table.by_code(code));
        let merger = merger_of(code).filter(|merger| nis_code.is_some_and(|own| own != merger.today));
        if let Some(today) = today {
            let hint = "only codes that are no more stand here";
            item.fault(format!("former code {code} is that of {} today", today.name), Some(hint));
        } else if let (Some(_), Some(own)) = (merger, nis_code) {
            let hint = became(code, around.municipalities);
            item.fault(format!("former code {code} is not one of {own}"), hint.as_deref());
        } else if codes.iter().any(|(other, _)| *other == code) {
            item.fault(format!("former code {code} stands twice"), None);
        }
        codes.push((code, item.node.at.clone()));
    }
    codes
}

/// A former code is of one tenant of a kind, and a municipality and its ocmw say the same of it.
pub(super) fn check_against_each_other(tenants: &[PlacedTenant], faults: &Faults) {
    let mut claims: BTreeMap<NisCode, Vec<&Tenant>> = BTreeMap::new();
    for PlacedTenant { tenant, former_at, .. } in tenants {
        let mut own = BTreeSet::new();
        for (code, at) in former_at.iter().filter(|(code, _)| own.insert(*code)) {
            let others = claims.entry(*code).or_default();
            let clashing = others.iter().find(|other| other.kind == tenant.kind || other.nis_code != tenant.nis_code);
            if let Some(other) = clashing {
                let hint = "a municipality became one other; its ocmw has the same codes";
                faults.add_with_hint(at, format!("tenant {} has former code {code} already", other.id), hint);
            }
            others.push(tenant);
        }
    }
}

/// The table, knowing what tenants say of codes that are no more.
pub(super) fn with_former_codes(
    mut table: Municipalities,
    tenants: &BTreeMap<TenantId, Arc<Tenant>>,
) -> Municipalities {
    for tenant in tenants.values() {
        for former in &tenant.former_nis_codes {
            if let Some(today) = tenant.nis_code {
                table.note_former(*former, today);
            }
        }
    }
    table
}
