//! Finding a municipality by what somebody types.

use crate::domain::{Municipalities, Municipality, NisCode};

/// Names that are proposed at most.
const PROPOSED: usize = 6;

/// The municipality with that code or name, in any case.
///
/// # Errors
/// What to type instead.
pub(super) fn find<'a>(table: &'a Municipalities, typed: &str) -> Result<&'a Municipality, String> {
    let typed = typed.trim();
    if let Ok(code) = typed.parse::<NisCode>() {
        let unknown = || match table.former().get(&code).and_then(|today| table.by_code(*today)) {
            Some(today) => format!("{code} is no more: since the mergers it is {} ({})", today.nis_code, today.name),
            None => format!("{code} is not in the table of municipalities"),
        };
        return table.by_code(code).ok_or_else(unknown);
    }
    let lower = typed.to_lowercase();
    if let Some(found) = table.iter().find(|municipality| municipality.name.to_lowercase() == lower) {
        return Ok(found);
    }
    // A part of a merged municipality's name leads to it.
    let near = table.iter().map(|municipality| municipality.name.as_str());
    let near: Vec<&str> =
        near.filter(|name| !lower.is_empty() && name.to_lowercase().contains(&lower)).take(PROPOSED).collect();
    match near.as_slice() {
        [] => Err(format!("no municipality is called {typed}")),
        names => Err(format!("no municipality is called {typed}; perhaps {}", names.join(", "))),
    }
}

/// A tenant's id made of a name; empty when nothing of it can stand in one.
pub(super) fn slug(name: &str) -> String {
    /// As long as an id may be.
    const LONGEST: usize = 32;
    let mut slug = String::new();
    for letter in name.to_lowercase().chars() {
        match letter {
            'a'..='z' | '0'..='9' => slug.push(letter),
            'à' | 'á' | 'â' | 'ä' => slug.push('a'),
            'è' | 'é' | 'ê' | 'ë' => slug.push('e'),
            'ï' | 'î' | 'í' => slug.push('i'),
            'ö' | 'ô' | 'ó' => slug.push('o'),
            'ü' | 'û' | 'ú' => slug.push('u'),
            'ç' => slug.push('c'),
            _ if !slug.ends_with('-') && !slug.is_empty() => slug.push('-'),
            _ => {}
        }
    }
    slug.truncate(LONGEST);
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn municipalities_are_found_by_code_and_by_name() {
        let table = Municipalities::parse(include_str!("../../../../config/municipalities.csv")).unwrap();
        for (typed, name) in [("72004", "Bree"), (" bree ", "Bree"), ("BILZEN-HOESELT", "Bilzen-Hoeselt")] {
            assert_eq!(find(&table, typed).map(|found| found.name.as_str()), Ok(name), "{typed}");
        }
        assert_eq!(find(&table, "hoeselt").unwrap_err(), "no municipality is called hoeselt; perhaps Bilzen-Hoeselt");
        assert!(find(&table, "73006").unwrap_err().contains("mergers"));
        assert_eq!(find(&table, "Luik").unwrap_err(), "no municipality is called Luik");
        assert!(find(&table, "").is_err());
    }

    #[test]
    fn every_municipality_has_an_id() {
        let table = Municipalities::parse(include_str!("../../../../config/municipalities.csv")).unwrap();
        for municipality in table.iter() {
            assert!(slug(&municipality.name).parse::<crate::domain::TenantId>().is_ok(), "{}", municipality.name);
        }
        assert_eq!(
            (slug("Sint-Pieters-Leeuw"), slug("'t Huis Ône!")),
            ("sint-pieters-leeuw".into(), "t-huis-one".into())
        );
    }
}
