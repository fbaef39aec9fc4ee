//! Who is selected, compared with a database that knows nothing of this program.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::assignments::{DATA_ONLY, assignment, json, plan, run};

/// The extract as two tables of a database that knows nothing of this program.
fn database(extract: &str) -> Connection {
    let database = Connection::open_in_memory().unwrap();
    database
        .execute_batch(
            "CREATE TABLE rows (row INTEGER PRIMARY KEY, child TEXT, nis TEXT, postcode INTEGER, born TEXT, rank INTEGER, \
             family_size INTEGER, single INTEGER, beneficiary TEXT); \
             CREATE TABLE rights (row INTEGER, source TEXT, share TEXT); \
             CREATE INDEX rights_row ON rights (row); CREATE INDEX rows_child ON rows (child);",
        )
        .unwrap();
    let mut lines = extract.lines();
    let header: Vec<&str> = lines.next().unwrap().split(';').collect();
    let place = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let wanted =
        ["child_niss", "child_nis_code", "child_postcode", "birth_date", "rank", "family_size", "single_parent"];
    let (wanted, sources) = (wanted.map(place), place("sources"));
    let beneficiary = place("beneficiary_niss");
    database.execute_batch("BEGIN").unwrap();
    for (at, line) in (0_i64..).zip(lines) {
        // Only the columns behind the names and the address may stand in quotes, and the first are all before them.
        let cells: Vec<&str> = line.split(';').collect();
        let value = |place: usize| cells[place];
        let from_end = header.len() - sources;
        let row = rusqlite::params![
            at,
            value(wanted[0]),
            value(wanted[1]),
            value(wanted[2]),
            value(wanted[3]),
            value(wanted[4]),
            value(wanted[5]),
            value(wanted[6]),
            value(beneficiary)
        ];
        database.prepare_cached("INSERT INTO rows VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)").unwrap().execute(row).unwrap();
        let rights = cells[cells.len() - from_end];
        for right in rights.split('|').filter(|right| !right.is_empty()) {
            let (source, share) = right.split_once('=').unwrap();
            let insert = "INSERT INTO rights VALUES (?1,?2,?3)";
            database.prepare_cached(insert).unwrap().execute(rusqlite::params![at, source, share]).unwrap();
        }
    }
    database.execute_batch("COMMIT").unwrap();
    database
}

/// What a database selects: child, beneficiary, source, share.
fn selected(database: &Connection, condition: &str, grounds: &str) -> BTreeSet<String> {
    let query = format!(
        "SELECT r.child || ';' || r.beneficiary || ';' || t.source || ';' || t.share FROM rows r JOIN rights t ON t.row = r.row \
         WHERE r.nis = '31033' AND ({condition}) AND t.source IN ({grounds})"
    );
    let mut statement = database.prepare(&query).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// A condition that a child of the outer row has one of these sources, in any of its rows.
fn has(source: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM rows o JOIN rights s ON s.row = o.row WHERE o.child = r.child AND s.source = '{source}')"
    )
}

#[test]
fn selections_are_those_of_sql() {
    let (social, school) = (has("sociale_toeslag"), has("schooltoeslag"));
    let care = has("zorgtoeslag");
    let cases: &[(&str, String, &str)] = &[
        ("{any_of: [sociale_toeslag]}", social.clone(), "'sociale_toeslag'"),
        (
            "{any_of: [sociale_toeslag, schooltoeslag], born: {from: 2010-01-01, until: 2018-12-31}}",
            format!("({social} OR {school}) AND r.born BETWEEN '2010-01-01' AND '2018-12-31'"),
            "'sociale_toeslag','schooltoeslag'",
        ),
        (
            "{all_of: [sociale_toeslag, schooltoeslag], none_of: [zorgtoeslag]}",
            format!("{social} AND {school} AND NOT {care}"),
            "'sociale_toeslag','schooltoeslag'",
        ),
        (
            "{any_of: [sociale_toeslag], rank: {at_least: 2}, family_size: {at_most: 3}, single_parent: true}",
            format!("{social} AND r.rank >= 2 AND r.family_size <= 3 AND r.single = 1"),
            "'sociale_toeslag'",
        ),
        // Of co-parents only the one whose own family it is.
        (
            "{any_of: [sociale_toeslag, zorgtoeslag], single_parent: true}",
            format!("({social} OR {care}) AND r.single = 1"),
            "'sociale_toeslag','zorgtoeslag'",
        ),
        (
            "{any_of: [sociale_toeslag, zorgtoeslag], single_parent: false}",
            format!("({social} OR {care}) AND r.single = 0"),
            "'sociale_toeslag','zorgtoeslag'",
        ),
        ("{postcodes: [8820], any_of: [zorgtoeslag]}", format!("r.postcode = 8820 AND {care}"), "'zorgtoeslag'"),
    ];
    let mut plan = plan();
    for (at, (criteria, ..)) in cases.iter().enumerate() {
        let id = format!("keuze-{at}");
        plan = plan.file(&format!("assignments/{id}.yaml"), &assignment(&id, criteria, DATA_ONLY));
    }
    let daemon = plan.start();
    let database = database(daemon.extract().text());
    for (at, (criteria, condition, grounds)) in cases.iter().enumerate() {
        let outcome = json(&run(&daemon, &format!("keuze-{at}"), &[]).well());
        let file = outcome["made"][0]["file"].as_str().unwrap();
        let text = String::from_utf8(daemon.fetch("torhout", &format!("/outbox/{file}"))).unwrap();
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split(';').collect();
        let place = |name: &str| header.iter().position(|column| *column == name).unwrap();
        let (child, beneficiary) = (place("kind_niss"), place("begunstigde_niss"));
        let from_end = |name: &str| header.len() - place(name);
        let (source, share) = (from_end("bron"), from_end("aandeel"));
        let found: BTreeSet<String> = lines
            .map(|line| {
                let cells: Vec<&str> = line.split(';').collect();
                [cells[child], cells[beneficiary], cells[cells.len() - source], cells[cells.len() - share]].join(";")
            })
            .collect();
        let expected = selected(&database, condition, grounds);
        assert!(!expected.is_empty(), "{criteria} selects nobody");
        assert_eq!(found, expected, "{criteria}");
        assert_eq!(outcome["made"][0]["rows"], expected.len());
    }
}
