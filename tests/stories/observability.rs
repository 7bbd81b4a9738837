//! What operators read of a gateway: its access log, on standard output and in files.

use serde_json::{Value, json};

use crate::eventually;
use crate::stack::Plan;
use crate::upstream::Upstream;

/// The lines of the access log in what a program said or wrote.
fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "gatehouse::access").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_line_on_standard_output() {
    let (stack, echo) = (Plan::one().start().await, Upstream::start("echo"));
    let api = stack.api();
    api.service("echo", &echo.url()).await;
    api.route("open", "echo", json!({"paths": ["/open"]})).await;
    stack.proxy().get("/open?token=canary-1&page=2").await.expect(200);
    stack.proxy().get("/nowhere?door=canary-2").await.expect(404);
    let lines = eventually("that both are logged", async || {
        let lines = lines(&stack.people.program().said());
        (lines.len() == 2).then_some(lines)
    })
    .await;
    assert_eq!(
        (&lines[0]["route"], &lines[0]["query"]),
        (&json!("open"), &json!("token=***&page=2"))
    );
    assert_eq!(
        (&lines[1]["reason"], &lines[1]["query"]),
        (&json!("route_not_found"), &json!("door=***"))
    );
    let all = format!("{}{}", stack.people.program().said(), stack.log());
    assert!(!all.contains("canary"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_file_that_is_moved_away_is_begun_anew() {
    let home = std::env::temp_dir().join(format!("gatehouse-log-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&home).expect("a directory");
    let (file, moved) = (home.join("access.log"), home.join("access.log.1"));
    let plan = Plan::one().with("GATEHOUSE_ACCESS_LOG", format!("file:{}", file.display()));
    let stack = plan.start().await;
    stack.proxy().get("/one").await.expect(404);
    let written = async |file: &std::path::Path, path: &str| {
        eventually(&format!("that {path} is in {}", file.display()), async || {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            lines(&text).iter().any(|line| line["path"] == path).then_some(())
        })
        .await;
    };
    written(&file, "/one").await;
    std::fs::rename(&file, &moved).expect("moved");
    eventually("that the file is there again", async || file.exists().then_some(())).await;
    stack.proxy().get("/two").await.expect(404);
    written(&file, "/two").await;
    assert!(lines(&stack.people.program().said()).is_empty());
    std::fs::remove_dir_all(home).expect("removed");
}
