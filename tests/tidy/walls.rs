//! The walls between crates: who may import whom, and who may know SQL, Pingora, actix and HTML.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::{report, tree};

/// What a crate may import from this house.
const HOUSE: [(&str, &[&str]); 9] = [
    ("model", &[]),
    ("database", &[]),
    ("plugins", &["model"]),
    ("control", &["model", "plugins"]),
    ("gateway", &["model", "plugins"]),
    ("fuzz-targets", &["gateway", "model"]),
    ("admin", &["control", "model", "plugins"]),
    ("web", &["control", "model", "plugins"]),
    (
        "gatehouse",
        &["admin", "control", "database", "gateway", "model", "plugins", "web"],
    ),
];

/// Who alone may import a library; a star stands for any ending.
const LIBRARIES: [(&str, &[&str]); 8] = [
    ("sqlx*", &["control", "database", "gateway", "gatehouse"]),
    ("pingora-http", &["gateway", "plugins"]),
    ("pingora*", &["gateway"]),
    ("actix-*", &["admin", "gatehouse", "web"]),
    ("askama*", &["web"]),
    ("utoipa-*", &["admin"]),
    ("lettre", &["control"]),
    (
        "tokio*",
        &["admin", "control", "database", "gatehouse", "gateway", "plugins", "web"],
    ),
];

/// Where in the gateway SQL may stand.
const GATEWAY_SQL: &str = "gateway/src/source";

/// The libraries that each crate imports for what it ships; tests may use more.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(tree::root())
        .output()
        .unwrap();
    assert!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let shipped = dependencies.filter(|dependency| dependency["kind"] != "dev").map(name);
        (name(package), shipped.collect())
    });
    packages.collect()
}

fn matches(pattern: &str, library: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => library.starts_with(start),
        None => library == pattern,
    }
}

/// The first pattern that fits decides.
fn allowed(library: &str) -> Option<&'static [&'static str]> {
    LIBRARIES
        .iter()
        .find(|(pattern, _)| matches(pattern, library))
        .map(|(_, crates)| *crates)
}

#[test]
fn crates_import_only_what_is_behind_no_wall() {
    let imports = imports();
    let mut findings = Vec::new();
    for (name, libraries) in &imports {
        let Some((_, house)) = HOUSE.iter().find(|(known, _)| known == name) else {
            findings.push(format!(
                "`{name}` is a new crate: say in tests/tidy/walls.rs what it may import"
            ));
            continue;
        };
        for library in libraries {
            if imports.contains_key(library) && !house.contains(&library.as_str()) {
                findings.push(format!(
                    "`{name}` imports `{library}`: only {house:?} of this house is open to it"
                ));
            }
            if let Some(crates) = allowed(library).filter(|crates| !crates.contains(&name.as_str())) {
                findings.push(format!("`{name}` imports `{library}`, which belongs to {crates:?}"));
            }
        }
    }
    report("A wall is broken (ARCHITECTURE.md says why it stands)", &findings);
}

#[test]
fn the_rule_of_a_library_is_the_first_that_fits() {
    assert_eq!(allowed("pingora-http"), Some(["gateway", "plugins"].as_slice()));
    assert_eq!(allowed("pingora-core"), Some(["gateway"].as_slice()));
    assert_eq!(allowed("serde"), None);
}

#[test]
fn the_gateway_knows_sql_only_where_it_follows_the_configuration() {
    let sources = tree::files(&["rs"])
        .into_iter()
        .filter(|path| path.starts_with("gateway/src"));
    let outside =
        sources.filter(|path| !path.starts_with(GATEWAY_SQL) && !path.starts_with(format!("{GATEWAY_SQL}.rs")));
    let findings: Vec<_> = outside
        .filter(|path| tree::text(path).contains("sqlx::"))
        .map(|path| format!("{} uses sqlx: move that to {GATEWAY_SQL}", path.display()))
        .collect();
    report("SQL in the gateway", &findings);
}
