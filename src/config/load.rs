//! Reading a whole configuration: the main file, and every file that it names.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Fault, Settings,
    assignment_file::{self, Parties},
    costs_file,
    fault::{Faults, Position},
    fields::Fields,
    files::{self, Files, Texts},
    keys,
    main_file::{self, MainFile},
    mergers,
    tenant_file::{self, PlacedTenant, Surroundings},
    tree::{self, Node},
};
use crate::domain::{
    Assignment, AssignmentId, Costs, Municipalities, NisCode, ProtocolId, SourceCatalogue, Tenant, TenantId,
    TenantKind,
    source::{CatalogueFault, Source},
};

/// The name of the table of municipalities, beside the main file.
pub const MUNICIPALITIES: &str = "municipalities.csv";

/// Reads a configuration.
///
/// # Errors
/// Every fault of every file, in the order of files and lines. A file that is not YAML has one fault, its first, and
/// hides what else is wrong in it.
pub fn load(path: &Path) -> Result<Settings, Vec<Fault>> {
    whole(load_as_far(path))
}

/// Reads a configuration as far as that is possible, with every fault of every file, as [`load`] tells them: for who looks
/// at what it names too.
pub fn load_as_far(path: &Path) -> (Option<Settings>, Vec<Fault>) {
    let faults = Faults::default();
    let settings = load_from(path, Files::new(path.parent().unwrap_or(Path::new("")), &faults), &faults);
    (settings, faults.into_sorted())
}

/// Reads a configuration as if it had one more file, at that absolute path, with that text. For a file that is about to
/// be written.
///
/// # Errors
/// As [`load`]; places in the new file are those of the text.
pub fn load_with(path: &Path, added: (&Path, &str)) -> Result<Settings, Vec<Fault>> {
    let faults = Faults::default();
    let files = Files::with_one_more(path.parent().unwrap_or(Path::new("")), &faults, added);
    let settings = load_from(path, files, &faults);
    whole((settings, faults.into_sorted()))
}

/// Every fault of a configuration as if it had one file more, or another in its place, and others were gone.
pub(super) fn faults_with(path: &Path, added: (&Path, &str), removed: &[PathBuf]) -> Vec<Fault> {
    let faults = Faults::default();
    let files = Files::with_one_more(path.parent().unwrap_or(Path::new("")), &faults, added).without(removed);
    load_from(path, files, &faults);
    faults.into_sorted()
}

fn load_from(path: &Path, files: Files<'_>, faults: &Faults) -> Option<Settings> {
    load_files(path, &files, faults).map(|settings| Settings {
        main_file: files::absolute(path),
        texts: Arc::new(files.into_texts()),
        ..settings
    })
}

fn whole(read: (Option<Settings>, Vec<Fault>)) -> Result<Settings, Vec<Fault>> {
    match read {
        (Some(settings), faults) if faults.is_empty() => Ok(settings),
        (_, faults) => Err(faults),
    }
}

/// Reads a configuration that was kept. It had no fault when it was in force: what counts as one now is passed over.
pub(super) fn load_kept(main: &Path, texts: &Texts) -> Option<Settings> {
    let faults = Faults::default();
    let files = Files::kept(main.parent().unwrap_or(Path::new("")), &faults, texts);
    let settings = load_files(main, &files, &faults)?;
    Some(Settings { main_file: main.to_owned(), texts: Arc::new(texts.clone()), ..settings })
}

fn load_files(path: &Path, files: &Files<'_>, faults: &Faults) -> Option<Settings> {
    let start = Position::start_of(path);
    let text = files.read(path, &start)?;
    let (root, main) = match tree::parse(path, &text, faults).map(|root| (main_file::read(&root, faults), root)) {
        Some((Some(main), root)) => (root, main),
        Some((None, _)) | None => usual_places(path)?,
    };
    let municipalities = load_municipalities(&path.with_file_name(MUNICIPALITIES), &start, files, faults);
    let named_at = |key| place(&root, key).unwrap_or_else(|| start.clone());
    let sources = load_sources(&beside_main(path, &main.sources_file), &named_at("sources"), files, faults);
    let around = Surroundings {
        environment: main.environment,
        limits: main.limits,
        municipalities: municipalities.as_ref(),
        faults,
    };
    let tenants_dir = beside_main(path, &main.tenants_dir);
    let (tenants, documents) = apart(load_tenants(&tenants_dir, &named_at("tenants"), files, &around));
    let parties = Parties {
        tenants: &tenants,
        tenants_dir: &tenants_dir,
        municipalities: municipalities.as_ref(),
        sources: sources.as_ref(),
        files,
        faults,
    };
    let assignments_dir = beside_main(path, &main.assignments_dir);
    let assignments = load_assignments(&assignments_dir, &named_at("assignments"), &parties);
    let costs = load_costs(&beside_main(path, &main.costs_file), &named_at("costs"), files, faults);
    let fingerprint = files.fingerprint();
    let municipalities = mergers::with_former_codes(municipalities?, &tenants);
    assemble(main, (tenants, documents), (assignments, costs), sources?, municipalities, fingerprint)
}

/// Stands in for a main file that cannot be read, so that the other files in their usual places are looked at all the
/// same. It asks as little of them as any main file can; its own faults are nobody's.
fn usual_places(path: &Path) -> Option<(Node, MainFile)> {
    const LENIENT: &str = "{environment: demo, limits: {upload_bytes: 4GiB, upload_memory: 4GiB}}";
    let unseen = Faults::default();
    let root = tree::parse(path, LENIENT, &unseen)?;
    main_file::read(&root, &unseen).map(|main| (root, main))
}

/// A file that lies beside the main file or below it, named as the caller named the main file: messages then show a
/// path that the caller knows.
fn beside_main(main: &Path, path: &Path) -> PathBuf {
    let base = main.parent().unwrap_or(Path::new(""));
    let absolute = std::path::absolute(main).ok();
    let below = absolute.as_deref().and_then(Path::parent).and_then(|base| path.strip_prefix(base).ok());
    below.map_or_else(|| path.to_owned(), |below| base.join(below))
}

type Documents = BTreeMap<(TenantId, ProtocolId), String>;

/// Tenants by name, and the digests of what they signed.
fn apart(placed: Vec<PlacedTenant>) -> (BTreeMap<TenantId, Arc<Tenant>>, Documents) {
    let (mut tenants, mut documents) = (BTreeMap::new(), Documents::new());
    for PlacedTenant { tenant, documents: own, .. } in placed {
        documents.extend(own.into_iter().map(|(reference, digest)| ((tenant.id.clone(), reference), digest)));
        tenants.insert(tenant.id.clone(), Arc::new(tenant));
    }
    (tenants, documents)
}

fn place(root: &Node, key: &str) -> Option<Position> {
    let tree::Content::Mapping(entries) = &root.content else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.at.clone())
}

fn assemble(
    main: MainFile,
    (tenants, documents): (BTreeMap<TenantId, Arc<Tenant>>, Documents),
    (assignments, costs): (BTreeMap<AssignmentId, Arc<Assignment>>, Option<Costs>),
    sources: SourceCatalogue,
    municipalities: Municipalities,
    fingerprint: String,
) -> Option<Settings> {
    Some(Settings {
        environment: main.environment,
        listen: main.listen,
        public_address: main.public_address,
        state_dir: main.state_dir?,
        high_water_dir: main.high_water_dir?,
        spool_dir: main.spool_dir?,
        tenants_dir: main.tenants_dir,
        sources_file: main.sources_file,
        assignments_dir: main.assignments_dir,
        costs_file: main.costs_file,
        documents,
        tenants,
        assignments,
        costs,
        sources,
        municipalities,
        host_keys: main.host_keys,
        exchange_identity: main.exchange_identity?,
        register: main.register?,
        log: main.log?,
        banner: main.banner,
        limits: main.limits,
        penalties: main.penalties,
        retention: main.retention,
        mail: main.mail,
        metrics: main.metrics,
        language: main.language,
        fingerprint,
        main_file: PathBuf::new(),
        texts: Arc::default(),
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
) -> Vec<PlacedTenant> {
    let mut placed = Vec::new();
    for path in files.tenants(directory, named_at) {
        let Some(text) = files.read(&path, &Position::start_of(&path)) else { continue };
        let Some(root) = tree::parse(&path, &text, around.faults) else { continue };
        placed.extend(tenant_file::read(&path, &root, around));
    }
    check_against_each_other(&placed, around.faults);
    placed
}

/// Assignments by name; a name that stands twice is a fault, since files and bills tell them apart by it.
fn load_assignments(
    directory: &Path,
    named_at: &Position,
    parties: &Parties<'_>,
) -> BTreeMap<AssignmentId, Arc<Assignment>> {
    let mut assignments = BTreeMap::new();
    let mut places: BTreeMap<AssignmentId, Position> = BTreeMap::new();
    for path in parties.files.assignments(directory, named_at) {
        let Some(text) = parties.files.read(&path, &Position::start_of(&path)) else { continue };
        let Some(root) = tree::parse(&path, &text, parties.faults) else { continue };
        let Some((assignment, at)) = assignment_file::read(&root, parties) else { continue };
        if let Some(first) = places.get(&assignment.id) {
            let problem = format!("assignment {} stands in {} too", assignment.id, first.file.display());
            parties.faults.add(&at, problem);
            continue;
        }
        places.insert(assignment.id.clone(), at);
        assignments.insert(assignment.id.clone(), Arc::new(assignment));
    }
    assignments
}

/// The tariffs; none where there is no file.
fn load_costs(path: &Path, named_at: &Position, files: &Files<'_>, faults: &Faults) -> Option<Costs> {
    if files.is_absent(path) {
        return None;
    }
    let root = tree::parse(path, &files.read(path, named_at)?, faults)?;
    costs_file::read(&root, faults)
}

/// What two tenants may not share: a name, a login key, and for tenants of one kind a municipality.
fn check_against_each_other(tenants: &[PlacedTenant], faults: &Faults) {
    let mut names: BTreeMap<&TenantId, &Position> = BTreeMap::new();
    let mut codes: BTreeMap<(&'static str, NisCode), &TenantId> = BTreeMap::new();
    let mut keys: BTreeMap<&[u8], &TenantId> = BTreeMap::new();
    mergers::check_against_each_other(tenants, faults);
    for PlacedTenant { tenant, id_at, nis_at, keys_at, .. } in tenants {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Difference, Environment, check_secrets, difference};
    use std::{env, fs};

    fn repository() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    /// A deployment without a fault, in production, without tenants.
    const MAIN: &str = "state_dir: state\nhigh_water_dir: highwater\nspool_dir: spool\nhost_keys: [keys/host]\n\
        exchange_identity: keys/exchange.agekey\nregister: {path: register.csv.age, identity: keys/register.agekey}\n\
        log: {origin: groeikluis.example/2026, key: keys/log.key}\n";

    /// Lays out that deployment, with some files put over it.
    fn deployment<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("tenants")).unwrap();
        fs::write(directory.path().join("groeikluis.yaml"), MAIN).unwrap();
        for name in ["sources.yaml", "municipalities.csv"] {
            fs::copy(repository().join("config").join(name), directory.path().join(name)).unwrap();
        }
        for (name, content) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        directory
    }

    fn load_in(directory: &Path) -> Result<Settings, Vec<String>> {
        let place = format!("{}/", directory.display());
        load(&directory.join("groeikluis.yaml"))
            .map_err(|faults| faults.iter().map(|fault| fault.to_string().replace(&place, "")).collect())
    }

    /// Splits a golden file, named after a user's mistake, at its `#=== NAME` lines: the files with the mistake, and
    /// last the messages, which `GROEIKLUIS_BLESS=1` writes anew.
    fn sections(golden: &str) -> Vec<(&str, &str)> {
        golden.split("#=== ").skip(1).filter_map(|part| part.split_once('\n')).collect()
    }

    #[test]
    fn each_mistake_has_its_message() {
        let bless = env::var_os("GROEIKLUIS_BLESS").is_some();
        let mut paths: Vec<PathBuf> = fs::read_dir(repository().join("tests/golden/config"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        assert!(paths.len() > 80);
        let mut differing = Vec::new();
        for path in paths {
            let golden = fs::read_to_string(&path).unwrap();
            let parts = sections(&golden);
            let (expected, files) = parts.split_last().unwrap();
            let directory = deployment(files.iter().map(|(name, content)| (*name, content.as_bytes())));
            let messages = load_in(directory.path()).expect_err(&path.display().to_string());
            let found = format!("# {}\n", messages.join("\n# "));
            if bless {
                let kept = golden.split_at(golden.len() - expected.1.len()).0;
                fs::write(&path, format!("{kept}{found}")).unwrap();
            } else if found != expected.1 {
                differing.push(format!("{}:\n{found}", path.display()));
            }
        }
        assert!(differing.is_empty(), "{}", differing.join("\n"));
    }

    #[test]
    fn what_may_be_left_out_has_its_default() {
        let directory = deployment([]);
        let settings = load_in(directory.path()).unwrap();
        assert_eq!(settings.environment, Environment::Production);
        assert_eq!(settings.state_dir, directory.path().join("state"));
        let shipped = load(&repository().join("config/groeikluis.yaml")).unwrap();
        assert_eq!((settings.limits, settings.retention), (shipped.limits, shipped.retention));
        assert_eq!((settings.penalties, settings.language), (shipped.penalties, shipped.language));
        assert_eq!(settings.sources, shipped.sources);
        assert!(settings.mail.is_none() && settings.metrics.is_none() && settings.tenants.is_empty());
    }

    #[test]
    fn the_example_holds_the_municipalities_of_the_overview() {
        let settings = load(&repository().join("config/groeikluis.yaml")).unwrap();
        assert!(check_secrets(&settings).is_empty());
        let of_kind = |kind| settings.tenants.values().filter(|tenant| tenant.kind == kind).count();
        let kinds = [TenantKind::Municipality, TenantKind::Ocmw, TenantKind::PrintPartner, TenantKind::Auditor];
        assert_eq!(kinds.map(of_kind), [50, 1, 1, 1]);
        let named =
            |chosen: &dyn Fn(&Tenant) -> bool| settings.tenants.values().filter(|tenant| chosen(tenant)).count();
        // Eight of the Opgroeien route; Torhout's of the VUTG route is made up, its agreement is not.
        assert_eq!(named(&|tenant| !tenant.protocols.is_empty()), 9);
        assert_eq!(named(&|tenant| !tenant.agreements.is_empty()), 1);
        // Twenty asked; of these Bilzen and Hoeselt are one municipality now.
        assert_eq!(named(&|tenant| tenant.interests.contains(&crate::domain::protocol::Route::Opgroeien)), 19);
        assert_eq!(named(&|tenant| tenant.interests.contains(&crate::domain::protocol::Route::Vutg)), 30);
        for tenant in settings.tenants.values().filter(|tenant| tenant.kind == TenantKind::Municipality) {
            let name = &settings.municipalities.by_code(tenant.nis_code.unwrap()).unwrap().name;
            assert!(tenant.name.ends_with(name.as_str()), "{}: {name}", tenant.id);
        }
    }

    #[test]
    fn production_refuses_every_example_key() {
        let repository = repository();
        let main = fs::read_to_string(repository.join("config/groeikluis.yaml")).unwrap();
        let main = main
            .replace("environment: demo", "environment: production")
            .replace("../", &format!("{}/", repository.display()));
        let with_tenants = main.replace("tenants: ", &format!("tenants: {}/config/", repository.display()));
        let directory = deployment([("groeikluis.yaml", with_tenants.as_bytes())]);
        let faults = load_in(directory.path()).unwrap_err();
        assert_eq!(faults.len(), 12, "{faults:#?}");
        assert!(faults.iter().all(|fault| fault.contains("an example ")), "{faults:#?}");
        let directory = deployment([("groeikluis.yaml", main.as_bytes())]);
        let secrets = check_secrets(&load_in(directory.path()).unwrap());
        assert_eq!(secrets.len(), 4);
        assert!(secrets.iter().all(|fault| fault.problem.contains("which everybody has")), "{secrets:#?}");
    }

    #[test]
    fn the_fingerprint_and_the_difference_tell_what_changed() {
        let bree = fs::read_to_string(repository().join("config/tenants/bree.yaml")).unwrap();
        let demo = format!("environment: demo\n{MAIN}");
        let settings = |files: &[(&'static str, &str)]| {
            let main = [("groeikluis.yaml", demo.as_str())];
            let files = main.iter().chain(files).map(|(name, content)| (*name, content.as_bytes()));
            let directory = deployment(files);
            load_in(directory.path()).unwrap()
        };
        let before = settings(&[("tenants/bree.yaml", &bree)]);
        // Each lies in a place of its own, which its settings name.
        let difference = |old: &Settings, new: &Settings| Difference { settings: Vec::new(), ..difference(old, new) };
        assert_eq!(difference(&before, &settings(&[("tenants/bree.yaml", &bree)])), Difference::default());
        assert_eq!(before.fingerprint(), settings(&[("tenants/bree.yaml", &bree)]).fingerprint());
        let commented = settings(&[("tenants/bree.yaml", &format!("{bree}# x\n"))]);
        assert_eq!(difference(&before, &commented), Difference::default());
        assert_ne!(before.fingerprint(), commented.fingerprint());

        let empty = settings(&[]);
        let id: TenantId = "bree".parse().unwrap();
        assert_eq!(difference(&before, &empty).tenants_removed, std::slice::from_ref(&id));
        assert_eq!(difference(&empty, &before).tenants_added, std::slice::from_ref(&id));

        let start = bree.find("keys:\n").unwrap();
        let end = bree.find("# Authorities whose").unwrap();
        let keyless = format!("{}keys: []\n{}", &bree[..start], &bree[end..]);
        let changed = keyless.replace("retention_days: 90", "retention_days: 30").replace("0.0.0.0/0", "192.0.2.0/24");
        let change = difference(&before, &settings(&[("tenants/bree.yaml", &changed)])).tenants_changed;
        let change = &change[&id];
        assert_eq!((change.keys_removed.len(), change.keys_added.len()), (1, 0));
        assert_eq!(change.grounds_changed.len(), 1);
        assert_eq!((change.networks_added.len(), change.networks_removed.len()), (1, 1));
        assert!(change.recipients_added.is_empty() && change.recipients_removed.is_empty());
        let longer = bree.replace("expires: 2027-12-31", "expires: 2028-12-31");
        let change = difference(&before, &settings(&[("tenants/bree.yaml", &longer)])).tenants_changed;
        assert_eq!((change[&id].keys_expiring_otherwise.len(), change[&id].keys_removed.len()), (1, 0));

        // A tenant that is new has all of its own added.
        let new = crate::config::tenant_difference(None, &before, &id);
        assert_eq!((new.keys_added.len(), new.recipients_added.len(), new.grounds_added.len()), (1, 1, 1));
        assert!(new.others.is_empty() && !new.steps_changed && new.networks_added.is_empty());
    }

    #[test]
    fn settings_that_differ_are_named_and_the_places_of_secrets_are_not_settings() {
        let demo = format!("environment: demo\n{MAIN}");
        let directory = deployment([("groeikluis.yaml", demo.as_bytes())]);
        let before = load_in(directory.path()).unwrap();
        let moved = format!("# x\n{demo}language: en\nlimits: {{connections: 9, list_rows: 9}}\n");
        fs::write(directory.path().join("groeikluis.yaml"), moved).unwrap();
        let change = difference(&before, &load_in(directory.path()).unwrap());
        let named: Vec<&str> = change.settings.iter().map(|setting| setting.key).collect();
        assert_eq!(named, ["limits.list_rows", "language", "limits"]);
        assert_eq!(change.after_restart(), ["limits"]);
    }

    /// The example's assignment with what it names, put into a deployment.
    const ASSIGNMENT_FILES: [&str; 6] = [
        "tenants/torhout.yaml",
        "tenants/drukkerij.yaml",
        "assignments/torhout-schoolpremie.yaml",
        "assignments/letters/schoolpremie.md",
        "assignments/letters/torhout.svg",
        "costs.yaml",
    ];

    #[test]
    fn assignments_and_tariffs_are_settings_like_others() {
        let demo = format!("environment: demo\n{MAIN}");
        // One place for all, since an assignment names its letter's files by their whole paths.
        let directory = deployment([("groeikluis.yaml", demo.as_bytes())]);
        let settings = |changed: &str, from: &str, to: &str| {
            for name in ASSIGNMENT_FILES {
                let text = fs::read_to_string(repository().join("config").join(name)).unwrap();
                let path = directory.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, if name == changed { text.replace(from, to) } else { text }).unwrap();
            }
            load_in(directory.path()).unwrap()
        };
        let before = settings("", "", "");
        let id: AssignmentId = "torhout-schoolpremie-2026".parse().unwrap();
        let assignment = &before.assignments[&id];
        assert_eq!(assignment.agreement.as_ref().map(ProtocolId::as_str), Some("VUTG-2026-001"));
        assert_eq!(assignment.criteria.grounds().len(), 2);
        let letter = assignment.letters.as_ref().unwrap();
        assert!(letter.text.ends_with("assignments/letters/schoolpremie.md"), "{letter:?}");
        assert!(before.costs.as_ref().is_some_and(|costs| costs.iter().count() == 2));
        assert_eq!(before.fingerprint(), settings("", "", "").fingerprint());

        let paid = settings(ASSIGNMENT_FILES[2], "75.00", "80.00");
        let change = difference(&before, &paid);
        assert_eq!((change.assignments_changed.as_slice(), change.costs_changed), (std::slice::from_ref(&id), false));
        let renamed = settings(ASSIGNMENT_FILES[2], "torhout-schoolpremie-2026", "torhout-schoolpremie-2027");
        let change = difference(&before, &renamed);
        assert_eq!(
            (change.assignments_added.len(), change.assignments_removed.as_slice()),
            (1, std::slice::from_ref(&id))
        );
        let dearer = settings("costs.yaml", "1.10", "1.20");
        assert!(difference(&before, &dearer).costs_changed);
        for name in &ASSIGNMENT_FILES[3..5] {
            let reworded = settings(name, "e", "i");
            assert_ne!(before.fingerprint(), reworded.fingerprint(), "{name}");
            let change = difference(&before, &reworded);
            assert_eq!(change.assignments_changed, std::slice::from_ref(&id), "{name}");
        }
    }

    #[test]
    fn without_assignments_and_tariffs_there_are_none() {
        let settings = load_in(deployment([]).path()).unwrap();
        assert!(settings.assignments.is_empty() && settings.costs.is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            at in 0_usize..4000,
            kept in 0_usize..40,
        ) {
            let mut spliced = fs::read(repository().join("config/tenants/bree.yaml")).unwrap();
            let end = (at + kept).min(spliced.len());
            spliced.splice(at.min(end)..end, bytes.iter().copied());
            let torhout = fs::read(repository().join("config/tenants/torhout.yaml")).unwrap();
            let mut assignment = fs::read(repository().join("config").join(ASSIGNMENT_FILES[2])).unwrap();
            let end = (at + kept).min(assignment.len());
            assignment.splice(at.min(end)..end, bytes.iter().copied());
            for files in [
                [("tenants/torhout.yaml", torhout.as_slice()), ("assignments/a.yaml", &assignment)],
                [("groeikluis.yaml", bytes.as_slice()), ("sources.yaml", &bytes)],
                [("tenants/bree.yaml", &spliced), ("municipalities.csv", &bytes)],
                [("assignments/a.yaml", bytes.as_slice()), ("costs.yaml", &bytes)],
            ] {
                let _ = load_in(deployment(files).path());
            }
        }
    }
}
