//! Which requests are written down when not all are.

/// Whether one request is among the share; what decides is chance, which clients cannot choose.
pub(crate) fn chosen(share: f64) -> bool {
    share >= 1.0 || (share > 0.0 && fastrand::f64() < share)
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn all_and_nothing_are_exact() {
        assert!((0..1_000).all(|_| chosen(1.0)));
        assert!((0..1_000).all(|_| !chosen(0.0)));
        fastrand::seed(7);
        let count = (0..10_000).filter(|_| chosen(0.1)).count();
        assert!((900..1_100).contains(&count), "{count}");
    }
}
