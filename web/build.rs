//! Makes sure that the assets are built before they are embedded.
//!
//! With Node at hand they are built here whenever their sources changed; without it, a finished `dist` is taken as it is.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

const SOURCES: [&str; 6] = [
    "build.mjs",
    "icons.txt",
    "islands",
    "package-lock.json",
    "package.json",
    "styles",
];
const MANIFEST: &str = "dist/manifest.json";

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-changed={MANIFEST}");
    println!("cargo::rerun-if-env-changed=PATH");
    if !runs("node", &["--version"]) {
        let reason = "Node.js 18 or newer was not found; install it, or run `make assets` on a machine that has it";
        assert!(
            Path::new(MANIFEST).exists(),
            "the assets of the web pages are not built: {reason}"
        );
        return;
    }
    if modules_are_stale() {
        assert!(
            runs("npm", &["ci", "--no-progress"]),
            "`npm ci` failed in web/; run `make assets` to see why"
        );
    }
    assert!(
        runs("npm", &["run", "--silent", "build"]),
        "`npm run build` failed in web/; run `make assets` to see why"
    );
    // Cargo runs this again when the manifest is newer than the last run, which would be always.
    if let Ok(manifest) = File::options().append(true).open(MANIFEST) {
        let _ = manifest.set_modified(SystemTime::UNIX_EPOCH);
    }
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether what is installed is older than what is asked for.
fn modules_are_stale() -> bool {
    let time = |path: &str| Path::new(path).metadata().and_then(|metadata| metadata.modified()).ok();
    time("node_modules/.package-lock.json") < time("package-lock.json")
}
