//! Reading a whole configuration: the main file, and every file that it names.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Fault, Settings,
    fault::{Faults, Position},
    fields::Fields,
    files::Files,
    keys,
    main_file::{self, MainFile},
    tenant_file::{self, PlacedTenant, Surroundings},
    tree::{self, Node},
};
use crate::domain::{
    Municipalities, NisCode, SourceCatalogue, Tenant, TenantId, TenantKind,
    source::{CatalogueFault, Source},
};

/// The table of municipalities, beside the main file.
const MUNICIPALITIES: &str = "municipalities.csv";

/// Reads a configuration.
///
/// The files of assignments and costs are named but not read here.
///
/// # Errors
/// Every fault of every file, in the order of files and lines. A file that is not YAML has one fault, its first, and
/// hides what else is wrong in it.
pub fn load(path: &Path) -> Result<Settings, Vec<Fault>> {
    let faults = Faults::default();
    let base = path.parent().unwrap_or(Path::new(""));
    let files = Files::new(base, &faults);
    let settings = load_files(path, &files, &faults);
    let faults = faults.into_sorted();
    match settings {
        Some(settings) if faults.is_empty() => Ok(settings),
        Some(_) | None => Err(faults),
    }
}

fn load_files(path: &Path, files: &Files<'_>, faults: &Faults) -> Option<Settings> {
    let start = Position::start_of(path);
    let root = tree::parse(path, &files.read(path, &start)?, faults)?;
    let main = main_file::read(&root, faults)?;
    let municipalities = load_municipalities(&path.with_file_name(MUNICIPALITIES), &start, files, faults);
    let named_at = |key| place(&root, key).unwrap_or_else(|| start.clone());
    let sources = load_sources(&beside_main(path, &main.sources_file), &named_at("sources"), files, faults);
    let around = Surroundings {
        environment: main.environment,
        limits: main.limits,
        municipalities: municipalities.as_ref(),
        faults,
    };
    let tenants = load_tenants(&beside_main(path, &main.tenants_dir), &named_at("tenants"), files, &around);
    let fingerprint = files.fingerprint();
    assemble(main, tenants, sources?, municipalities?, fingerprint)
}

/// A file that lies beside the main file or below it, named as the caller named the main file: messages then show a
/// path that the caller knows.
fn beside_main(main: &Path, path: &Path) -> PathBuf {
    let base = main.parent().unwrap_or(Path::new(""));
    let absolute = std::path::absolute(main).ok();
    let below = absolute.as_deref().and_then(Path::parent).and_then(|base| path.strip_prefix(base).ok());
    below.map_or_else(|| path.to_owned(), |below| base.join(below))
}

fn place(root: &Node, key: &str) -> Option<Position> {
    let tree::Content::Mapping(entries) = &root.content else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.at.clone())
}

fn assemble(
    main: MainFile,
    tenants: BTreeMap<TenantId, Arc<Tenant>>,
    sources: SourceCatalogue,
    municipalities: Municipalities,
    fingerprint: String,
) -> Option<Settings> {
    Some(Settings {
        environment: main.environment,
        listen: main.listen,
        state_dir: main.state_dir?,
        high_water_dir: main.high_water_dir?,
        spool_dir: main.spool_dir?,
        assignments_dir: main.assignments_dir,
        costs_file: main.costs_file,
        tenants,
        sources,
        municipalities,
        host_keys: main.host_keys,
        exchange_identity: main.exchange_identity?,
        register: main.register?,
        log: main.log?,
        limits: main.limits,
        penalties: main.penalties,
        retention: main.retention,
        mail: main.mail,
        metrics: main.metrics,
        language: main.language,
        fingerprint,
    })
}

fn load_municipalities(path: &Path, named_at: &Position, files: &Files<'_>, faults: &Faults) -> Option<Municipalities> {
    let text = files.read(path, named_at)?;
    let table = Municipalities::parse(&text).map_err(|fault| {
        faults.add(&Position { line: fault.line, ..Position::start_of(path) }, fault.problem);
    });
    table.ok()
}

fn load_sources(path: &Path, named_at: &Position, files: &Files<'_>, faults: &Faults) -> Option<SourceCatalogue> {
    let root = tree::parse(path, &files.read(path, named_at)?, faults)?;
    let fields = Fields::of_file(&root, &keys::SOURCES, faults)?;
    let mut sources = Vec::new();
    let mut places = Vec::new();
    for item in fields.list("sources") {
        let Some(entry) = item.mapping(&keys::SOURCE) else { continue };
        let (code, name) = (entry.text("code"), entry.text("name"));
        if let (Some(code), Some(name)) = (code, name) {
            sources.push(Source { code, name });
            places.push(entry.place("code"));
        }
    }
    // A catalogue names its first fault: what is at fault is taken out, and the rest is tried again.
    loop {
        let fault = match SourceCatalogue::new(sources.clone()) {
            Ok(catalogue) => return Some(catalogue),
            Err(fault) => fault,
        };
        let at = match &fault {
            CatalogueFault::Code(code) | CatalogueFault::Twice(code) => {
                sources.iter().rposition(|source| source.code == *code)
            }
            CatalogueFault::TooMany | CatalogueFault::NoSocialeToeslag => None,
        };
        let Some(at) = at.filter(|at| *at < places.len()) else {
            faults.add(fields.place("sources"), fault.to_string());
            return None;
        };
        faults.add(places.remove(at), fault.to_string());
        sources.remove(at);
    }
}

fn load_tenants(
    directory: &Path,
    named_at: &Position,
    files: &Files<'_>,
    around: &Surroundings<'_>,
) -> BTreeMap<TenantId, Arc<Tenant>> {
    let mut placed = Vec::new();
    for path in files.tenants(directory, named_at) {
        let Some(text) = files.read(&path, &Position::start_of(&path)) else { continue };
        let Some(root) = tree::parse(&path, &text, around.faults) else { continue };
        placed.extend(tenant_file::read(&path, &root, around));
    }
    check_against_each_other(&placed, around.faults);
    placed.into_iter().map(|placed| (placed.tenant.id.clone(), Arc::new(placed.tenant))).collect()
}

/// What two tenants may not share: a name, a login key, and for tenants of one kind a municipality.
fn check_against_each_other(tenants: &[PlacedTenant], faults: &Faults) {
    let mut names: BTreeMap<&TenantId, &Position> = BTreeMap::new();
    let mut codes: BTreeMap<(&'static str, NisCode), &TenantId> = BTreeMap::new();
    let mut keys: BTreeMap<&[u8], &TenantId> = BTreeMap::new();
    for PlacedTenant { tenant, id_at, nis_at, keys_at } in tenants {
        if let Some(first) = names.get(&tenant.id) {
            faults.add(id_at, format!("tenant {} stands in {} too", tenant.id, first.file.display()));
            continue;
        }
        names.insert(&tenant.id, id_at);
        if let Some(code) = tenant.nis_code
            && let Some(other) = codes.insert((tenant.kind.name(), code), &tenant.id)
        {
            let kind = match tenant.kind {
                TenantKind::Ocmw => "the ocmw",
                TenantKind::Municipality | TenantKind::PrintPartner | TenantKind::Auditor => "the municipality",
            };
            faults.add(nis_at, format!("tenant {other} is {kind} with code {code} already"));
        }
        for (key, at) in keys_at {
            if let Some(other) = keys.insert(key.blob(), &tenant.id) {
                let hint = "each tenant has keys of its own";
                faults.add_with_hint(at, format!("tenant {other} logs in with this key too"), hint);
            }
        }
    }
}
