//! Migrations go forward one by one, each with rows, so that the next one runs on a filled database.

use std::path::Path;

use crate::{report, tree};

/// Whether the rows really load is a test of the `database` crate.
#[test]
fn every_migration_has_its_number_and_its_rows() {
    let migrations = tree::entries("migrations");
    assert!(!migrations.is_empty(), "there is no migration");
    let mut findings = Vec::new();
    for (index, path) in migrations.iter().enumerate() {
        let file = path.file_name().unwrap().to_str().unwrap();
        let number = format!("{:04}_", index + 1);
        if !file.starts_with(&number) || path.extension().is_none_or(|ending| ending != "sql") {
            findings.push(format!("migrations/{file} should be named {number}<what>.sql"));
        }
        let rows = Path::new("tests/data").join(file);
        if !tree::root().join(&rows).is_file() {
            findings.push(format!("migrations/{file} has no rows: add {}", rows.display()));
        }
    }
    report("Migrations", &findings);
}
