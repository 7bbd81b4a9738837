//! The migrations are part of the crate: a new one is only seen when somebody says where to look.

fn main() {
    println!("cargo::rerun-if-changed=../migrations");
}
