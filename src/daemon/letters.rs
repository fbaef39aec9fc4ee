//! Whether letters can be made with the text, logo and template of each assignment, before the day of the run.

use std::path::Path;

use crate::{
    config::{Fault, Settings},
    documents::{letters::DesignFault, typeset::TypesetFault},
    domain::{Assignment, assignment::LetterTerms},
    exchange::{AssignmentFault, assignment::letter_design},
};

/// The name that a template has while it is set.
const TEMPLATE: &str = "sjabloon.typ";

/// What is wrong with the letters of the assignments, at its place in the files that they name. None is looked into while
/// `known` faults lie in files of assignments: what is not read of one would be told as a fault of its letters.
pub fn check_letters(settings: &Settings, known: &[Fault]) -> Vec<Fault> {
    let is_of_assignment = |fault: &Fault| fault.file.parent() == Some(settings.assignments_dir.as_path());
    if known.iter().any(is_of_assignment) {
        return Vec::new();
    }
    settings.assignments.values().filter_map(|assignment| fault_of(assignment, settings)).collect()
}

/// Makes one letter with made-up names, as a run does first.
fn fault_of(assignment: &Assignment, settings: &Settings) -> Option<Fault> {
    let (terms, tenant) = (assignment.letters.as_ref()?, settings.tenants.get(&assignment.tenant)?);
    let place = match letter_design(assignment, &tenant.name) {
        Ok(design) => {
            if assignment.payment.is_some() || !design?.needs_amount() {
                return None;
            }
            let problem = "it names {bedrag}, and the assignment pays nothing".to_owned();
            Place {
                hint: Some("leave it out, or write the amount itself".to_owned()),
                ..Place::of(&terms.text, problem)
            }
        }
        Err(AssignmentFault::LetterDesign(fault)) => Place::of_design(&fault, terms),
        Err(AssignmentFault::LetterFile { path, source }) => Place::of(&path, format!("cannot be read: {source}")),
        // Nothing else is asked for a design.
        Err(fault) => Place::of(&terms.text, fault.to_string()),
    };
    let Place { file, line, column, problem, hint } = place;
    let problem = format!("letters of {}: {problem}", assignment.id);
    Some(Fault { file, line, column, problem, hint })
}

/// A fault before it is told whose letters it is in.
struct Place {
    file: std::path::PathBuf,
    line: usize,
    column: usize,
    problem: String,
    hint: Option<String>,
}

impl Place {
    fn of(file: &Path, problem: String) -> Self {
        Self { file: file.to_owned(), line: 1, column: 1, problem, hint: None }
    }

    fn of_design(fault: &DesignFault, terms: &LetterTerms) -> Self {
        let look = terms.template.as_deref().unwrap_or(&terms.text);
        match fault {
            DesignFault::Text(fault) => {
                let (line, problem) = fault.placed();
                Self { line, ..Self::of(&terms.text, problem) }
            }
            DesignFault::Logo(fault) => Self::of(terms.logo.as_deref().unwrap_or(look), fault.to_string()),
            DesignFault::Typeset(TypesetFault::Source { file, line, column, message, hint }) => {
                let hint = Some(hint.clone()).filter(|hint| !hint.is_empty());
                if file == TEMPLATE && *line > 0 {
                    return Self { line: *line, column: *column, hint, ..Self::of(look, message.clone()) };
                }
                // The program's own files are right: what they cannot set is the picture that they are given.
                Self { hint, ..Self::of(terms.logo.as_deref().unwrap_or(look), message.clone()) }
            }
            DesignFault::Typeset(fault) => Self::of(look, fault.to_string()),
            DesignFault::TemplateTooLong | DesignFault::Line { .. } | DesignFault::Lacks { .. } => {
                Self::of(look, fault.to_string())
            }
        }
    }
}
