//! What docker-compose.yml asks of the program: health checks that tell the truth.

use crate::program::{self, Settings};
use crate::stack::{Home, Plan};

/// Exit code and words of a health check with these arguments.
fn check(arguments: &[&str]) -> (Option<i32>, String) {
    let command: Vec<&str> = ["healthcheck"].iter().chain(arguments).copied().collect();
    let output = program::run(&Home::make().0, &Settings::default().command(&command), "");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_passes_when_it_is_healthy_and_says_why_it_is_not() {
    let mut stack = Plan::apart(1).own_postgres().start().await;
    let status = format!("--address={}", stack.gateway(0).address("Health"));
    let portal = format!("--address={}", stack.people.address("Portal"));
    for arguments in [vec![status.as_str()], vec![&portal, "--path=/"]] {
        assert_eq!(check(&arguments), (Some(0), String::new()), "{arguments:?}");
    }
    stack.storage.server().halt().await.expect("halted");
    assert_eq!(check(&[&status]).0, Some(0), "a gateway needs no database");
    let (code, words) = check(&[&portal, "--path=/"]);
    assert!(code == Some(1) && words.lines().count() == 1, "{words}");
    stack.gateways[0].kill();
    let (code, words) = check(&[&status]);
    assert!(code == Some(1) && words.contains("nobody listens on"), "{words}");
    assert_eq!(words.lines().count(), 1, "{words}");
}
