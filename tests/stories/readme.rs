//! What the README tells a stranger to paste works as it stands there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::stack::{Plan, Stack};
use crate::upstream::Upstream;

/// The part for automation begins with this line.
const BEGINNING: &str = "export TOKEN=";

/// The lines of the code block with this beginning.
fn block(text: &str) -> Vec<String> {
    let (_, rest) = text
        .split_once(&format!("```sh\n{BEGINNING}"))
        .expect("the block is there");
    let (block, _) = rest.split_once("```").expect("it has an end");
    let whole = format!("{BEGINNING}{block}");
    whole.lines().map(str::to_owned).collect()
}

/// The line as it is on this stack.
fn here(line: &str, stack: &Stack, service: &str, token: &str) -> String {
    line.replace("http://localhost:8001", &stack.console_url())
        .replace("http://localhost:8000", &format!("http://{}", stack.proxy().address))
        .replace("http://127.0.0.1:8090", service)
        .replace("gh_token_…", token)
}

fn shell(script: &str) -> String {
    let output = Command::new("sh").arg("-euc").arg(script).output().expect("a shell");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_for_automation_leads_to_a_protected_call() {
    let (stack, echo) = (Plan::apart(1).start().await, Upstream::start("shop"));
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README");
    let token = stack.make_token("reader-of-the-readme", &["*"]);
    let lines: Vec<String> = block(&text)
        .iter()
        .map(|line| here(line, &stack, &echo.url(), &token))
        .collect();
    let (setup, calls): (Vec<&String>, Vec<&String>) = lines.iter().partition(|line| !line.starts_with("curl -i"));
    let setup: Vec<&str> = setup.into_iter().map(String::as_str).collect();
    let made = shell(&setup.join("\n"));
    let [without, with] = calls.as_slice() else {
        panic!("two calls: {calls:?}")
    };
    let refused = shell(without);
    assert!(
        refused.starts_with("HTTP/1.1 401") && refused.contains("credential_missing"),
        "{refused}"
    );
    let (_, rest) = made.split_once("\"secret\":\"").expect("the key is shown");
    let key = rest.split('"').next().expect("a key");
    let served = shell(&with.replace("gh_live_…", key));
    assert!(
        served.starts_with("HTTP/1.1 200") && served.contains("\"path\":\"/orders\""),
        "{served}"
    );
}
