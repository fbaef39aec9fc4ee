//! The register in clear, as its maker wrote it: what answers are compared with. In memory only.

use std::collections::HashSet;

use groeikluis::{
    domain::Municipalities,
    register::{ReferenceMonth, synth::Synth},
};

/// An extract of FORMATS.md section 4.
pub struct Extract {
    text: String,
    rows: Vec<Row>,
}

/// A row of it: a child with one beneficiary.
#[derive(Debug, Clone)]
pub struct Row {
    pub child: String,
    pub nis_code: String,
    pub beneficiary: String,
    pub beneficiary_name: String,
    pub sources: String,
}

const MUNICIPALITIES: &str = include_str!("../../../config/municipalities.csv");

impl Extract {
    /// The same for the same numbers.
    pub fn synthetic(children: u32, seed: u64, month: ReferenceMonth) -> Self {
        let mut text = Vec::new();
        let municipalities = Municipalities::parse(MUNICIPALITIES).unwrap();
        Synth { children, seed, month }.write(&municipalities, &mut text).unwrap();
        Self::read(String::from_utf8(text).unwrap())
    }

    pub fn read(text: String) -> Self {
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split(';').collect();
        let place = |name: &str| header.iter().position(|column| *column == name).unwrap();
        let places = ["child_niss", "child_nis_code", "beneficiary_niss"].map(place);
        let names = ["beneficiary_last_name", "beneficiary_first_name", "sources"].map(place);
        let rows = lines
            .map(|line| {
                let cells = cells(line);
                let [child, nis_code, beneficiary] = places.map(|place| cells[place].clone());
                let [last, first, sources] = names.map(|place| cells[place].clone());
                let beneficiary_name = format!("{last} {first}");
                Row { child, nis_code, beneficiary, beneficiary_name, sources }
            })
            .collect();
        Self { text, rows }
    }

    /// The file itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The children of a municipality, each once, in the order of the register.
    pub fn children_of(&self, nis_code: &str) -> Vec<&str> {
        let mut seen = HashSet::new();
        let here = self.rows.iter().filter(|row| row.nis_code == nis_code);
        here.map(|row| row.child.as_str()).filter(|child| seen.insert(*child)).collect()
    }
}

/// The cells of a line; a `;` within quotes is text.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ';' if !quoted => cells.push(String::new()),
            _ => cells.last_mut().unwrap().push(character),
        }
    }
    cells
}
