//! `groeikluis tenant merge`: tenants whose municipalities were merged.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, bail};
use serde_json::json;

use super::super::{
    ConfigArgument, ConfigFaults, UsageFault, load_files,
    output::{print_json, progress, say},
};
use crate::{
    config::{self, Draft, DraftFault, Merger, Settings},
    daemon::{self, Fulfilled},
    domain::{NisCode, TenantId},
    durable::{Clock, Directory},
    exchange::MergerOutcome,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// A tenant that ends; once for each.
    #[arg(long = "from", value_name = "ID", required = true)]
    former: Vec<TenantId>,
    /// The tenant that goes on: a new one, or one that is there.
    #[arg(long, value_name = "ID")]
    into: TenantId,
    /// Its name for people, for the draft.
    #[arg(long)]
    name: Option<String>,
    /// The NIS code of its municipality, for the draft; known for the mergers of 2025.
    #[arg(long, value_name = "CODE")]
    nis_code: Option<String>,
    /// Change nothing: print the draft, or what would be carried over.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// The ending of a draft: no file of the configuration has it.
const DRAFT_ENDING: &str = "draft";

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let nis_code = arguments.nis_code.as_deref().map(str::parse::<NisCode>).transpose();
    let nis_code = nis_code.map_err(|fault| UsageFault(format!("--nis-code is {fault}")))?;
    let former: BTreeSet<TenantId> = arguments.former.iter().cloned().collect();
    if former.contains(&arguments.into) {
        return Err(UsageFault(format!("{} cannot be merged into itself", arguments.into)).into());
    }
    let merger = Merger {
        former: &former,
        into: &arguments.into,
        name: arguments.name.as_deref(),
        nis_code,
        day: Clock::system().today(),
    };
    match config::draft(&arguments.config.config, &merger) {
        Ok(Some(draft)) => write_draft(arguments, &draft),
        Ok(None) => carry_over(arguments),
        // With all its faults.
        Err(DraftFault::Unreadable) => load_files(&arguments.config).and_then(|_| bail!(DraftFault::Unreadable)),
        Err(fault @ (DraftFault::NisCode(_) | DraftFault::Name(_) | DraftFault::Kind(_) | DraftFault::Half { .. })) => {
            Err(UsageFault(fault.to_string()).into())
        }
    }
}

/// The files of the former tenants are still there.
fn write_draft(arguments: &Arguments, draft: &Draft) -> anyhow::Result<()> {
    let written = draft.path.with_extension(format!("yaml.{DRAFT_ENDING}"));
    if !arguments.dry_run {
        let (directory, name) = (draft.path.parent(), written.file_name().and_then(|name| name.to_str()));
        let (directory, name) = directory.zip(name).context("the draft has no place")?;
        let directory = Directory::create(directory)?;
        directory
            .write_new_for_group(name, draft.text.as_bytes())
            .with_context(|| format!("cannot write {}: move an older draft away", written.display()))?;
    }
    if arguments.json {
        let former: Vec<_> = draft.former_files.iter().map(|path| path.display().to_string()).collect();
        let faults: Vec<_> = draft.faults.iter().map(ToString::to_string).collect();
        return Ok(print_json(&json!({
            "dry_run": arguments.dry_run, "draft": written.display().to_string(), "text": draft.text,
            "replaces": former, "review": draft.review, "faults": faults,
        }))?);
    }
    if arguments.dry_run {
        say(draft.text.trim_end());
        say("");
    } else {
        say(&format!("written: {}", written.display()));
    }
    say(&next_steps(arguments, draft, &written));
    Ok(())
}

fn next_steps(arguments: &Arguments, draft: &Draft, written: &Path) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    line("To review:");
    draft.review.iter().for_each(|what| line(&format!("  - {what}")));
    if !draft.faults.is_empty() {
        line("At fault when it is in place; to be put right in the same change:");
        draft.faults.iter().for_each(|fault| line(&format!("  - {fault}")));
    }
    line("Then, in this order (what is half done is refused by a running daemon, which keeps what is in force):");
    line(&format!("  mv {} {}", written.display(), draft.path.display()));
    let others = draft.former_files.iter().filter(|path| **path != draft.path);
    line(&format!("  rm {}", others.map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")));
    let main = arguments.config.config.display();
    line(&format!("  groeikluis plan --config {main}"));
    line("  systemctl restart groeikluis    # where the plan says that nothing is in force before a restart");
    let former: Vec<String> = arguments.former.iter().map(|id| format!("--from {id}")).collect();
    line(&format!("  groeikluis tenant merge {} --into {} --config {main}", former.join(" "), arguments.into));
    text.trim_end().to_owned()
}

/// The configuration is that of after the merger: the running daemon gives the new tenant what the others had.
fn carry_over(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = config::load(&arguments.config.config).map_err(ConfigFaults)?;
    let Fulfilled { done, fault } =
        daemon::merge_tenants(&settings, &arguments.former, &arguments.into, arguments.dry_run, progress)?;
    let printed = if arguments.json {
        print_json(&serde_json::to_value(&done)?)
    } else {
        say(&told(&done, &settings));
        Ok(())
    };
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok(printed?),
    }
}

fn told(outcome: &MergerOutcome, settings: &Settings) -> String {
    let verb = if outcome.dry_run { "would get" } else { "has" };
    let into = &outcome.into;
    let mut lines: Vec<String> = outcome
        .carried
        .iter()
        .map(|carried| {
            format!(
                "{into} {verb} of {}: {} files ({} not fetched), {} uploads ({} wait for their answer), {} receipts",
                carried.former,
                carried.deliveries,
                carried.unfetched,
                carried.uploads,
                carried.waiting,
                carried.receipts
            )
        })
        .collect();
    if !outcome.dry_run {
        lines.push(
            "Files keep their seal: they open with the secret keys of the former tenants. What identifies officials in \
             the log stays under the former names."
                .to_owned(),
        );
        let named = settings.assignments.values().filter(|assignment| assignment.tenant.as_str() == into).count();
        if named > 0 {
            lines.push(format!("{named} assignment(s) are for {into}."));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Date;
    use std::fs;

    fn lay_out(root: &Path) {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        for name in ["sources.yaml", "municipalities.csv"] {
            fs::copy(config.join(name), root.join(name)).unwrap();
        }
        let main = "environment: demo\nstate_dir: s\nhigh_water_dir: h\nspool_dir: p\nhost_keys: [k]\n\
            exchange_identity: e\nregister: {path: r, identity: i}\nlog: {origin: o, key: l}\n";
        fs::write(root.join("groeikluis.yaml"), main).unwrap();
        fs::create_dir(root.join("tenants")).unwrap();
        for name in ["bree.yaml", "maldegem.yaml"] {
            fs::copy(config.join("tenants").join(name), root.join("tenants").join(name)).unwrap();
        }
    }

    #[test]
    fn a_draft_has_everything_of_all_and_makes_a_configuration_without_a_fault() {
        let root = tempfile::tempdir().unwrap();
        lay_out(root.path());
        let main = root.path().join("groeikluis.yaml");
        let former = BTreeSet::from(["bree".parse().unwrap(), "maldegem".parse().unwrap()]);
        let into: TenantId = "nieuwstad".parse().unwrap();
        let day: Date = "2027-01-01".parse().unwrap();
        let merger =
            Merger { former: &former, into: &into, name: Some("Stad: Nieuwstad"), nis_code: "72043".parse().ok(), day };
        let draft = config::draft(&main, &merger).unwrap().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/samengevoegd.yaml");
        if std::env::var_os("GROEIKLUIS_BLESS").is_some() {
            fs::write(&golden, &draft.text).unwrap();
        }
        assert_eq!(draft.text, fs::read_to_string(golden).unwrap());
        // Their codes are still in the table, which is to be replaced as well.
        let faults: Vec<&str> = draft.faults.iter().map(|fault| fault.problem.as_str()).collect();
        assert_eq!(faults, ["former code 43010 is that of Maldegem today", "former code 72004 is that of Bree today"]);
        let table = fs::read_to_string(root.path().join("municipalities.csv")).unwrap();
        let kept = |line: &&str| !line.starts_with("72004;") && !line.starts_with("43010;");
        let table: Vec<&str> = table.lines().filter(kept).collect();
        fs::write(root.path().join("municipalities.csv"), table.join("\n") + "\n").unwrap();
        let draft = config::draft(&main, &merger).unwrap().unwrap();
        assert_eq!(draft.faults, []);
        let whole = Merger { name: None, nis_code: None, ..merger.clone() };
        assert_eq!(config::draft(&main, &whole), Err(DraftFault::NisCode(into.clone())));
        let half = BTreeSet::from(["bree".parse().unwrap(), "pelt".parse().unwrap()]);
        assert!(matches!(
            config::draft(&main, &Merger { former: &half, ..merger.clone() }),
            Err(DraftFault::Half { .. })
        ));
        let gone = BTreeSet::from(["pelt".parse().unwrap()]);
        assert_eq!(config::draft(&main, &Merger { former: &gone, ..merger }), Ok(None));
    }
}
