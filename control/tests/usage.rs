//! Series and sums of what gateways counted.

use control::usage::{self, Span, TopBy, UsageFilter};
use control::{Error, jobs};
use time::Duration;
use time::macros::datetime;
use uuid::Uuid;

use crate::support::House;

/// So many requests in a bucket, each of 15 ms.
async fn count(house: &House, at: time::OffsetDateTime, route: u128, status: i16, requests: i64) {
    let mut histogram = vec![0_i64; model::usage::LATENCY_BUCKETS];
    histogram[model::usage::latency_bucket(15_000)] = requests;
    sqlx::query("insert into usage_buckets values ($1, 10, $2, $3, $3, $3, $4, $5, $6, $7, 0, $8)")
        .bind(at)
        .bind(Uuid::from_u128(route))
        .bind(Uuid::nil())
        .bind(status)
        .bind(if status == 429 { "rate_limited" } else { "" })
        .bind(requests)
        .bind(requests * 15_000)
        .bind(histogram)
        .execute(house.pool())
        .await
        .expect("counted");
}

#[tokio::test]
async fn a_series_has_every_point_and_a_summary_every_request() {
    let house = House::new().await;
    let admin = house.admin().await;
    let start = datetime!(2026-11-23 11:00 UTC);
    count(&house, start, 1, 200, 10).await;
    count(&house, start + Duration::seconds(20), 1, 429, 3).await;
    count(&house, start + Duration::minutes(30), 2, 502, 2).await;
    let span = Span::new(start, start + Duration::hours(1), Some(60)).expect("valid");
    let points = usage::series(&house.control, &admin, span, UsageFilter::default())
        .await
        .expect("a series");
    assert_eq!(points.len(), 60);
    assert_eq!(
        (points[0].requests, points[0].client_errors, points[30].server_errors),
        (13, 3, 2)
    );
    assert_eq!(points.iter().map(|point| point.requests).sum::<i64>(), 15);
    let summary = usage::summary(&house.control, &admin, span, UsageFilter::default())
        .await
        .expect("a summary");
    assert_eq!(
        (
            summary.requests,
            summary.reasons["rate_limited"],
            summary.statuses[&502]
        ),
        (15, 3, 2)
    );
    assert!(
        summary.p95_ms.is_some_and(|p95| (10.0..=20.0).contains(&p95)),
        "{:?}",
        summary.p95_ms
    );
    let route = UsageFilter {
        route: Some(Uuid::from_u128(2).into()),
        ..UsageFilter::default()
    };
    assert_eq!(
        usage::summary(&house.control, &admin, span, route)
            .await
            .expect("a summary")
            .requests,
        2
    );
    let top = usage::top(&house.control, &admin, span, TopBy::Route, 1)
        .await
        .expect("the busiest");
    assert_eq!((top[0].id, top[0].requests, top[0].errors), (Uuid::from_u128(1), 13, 3));
}

#[tokio::test]
async fn the_points_of_the_last_hours_add_up_to_their_sum() {
    let house = House::new().await;
    let admin = house.admin().await;
    house.advance(std::time::Duration::from_millis(7 * 60_000 + 300));
    let now = house.control.now();
    for minutes in [0, 90, 1_425, 1_439, 1_441, 1_500] {
        count(
            &house,
            now - Duration::minutes(minutes) - Duration::milliseconds(300),
            1,
            200,
            1,
        )
        .await;
    }
    let span = Span::last(now, Duration::hours(24));
    let points = usage::series(&house.control, &admin, span, UsageFilter::default())
        .await
        .expect("a series");
    let summary = usage::summary(&house.control, &admin, span, UsageFilter::default())
        .await
        .expect("a summary");
    assert_eq!(points.iter().map(|point| point.requests).sum::<i64>(), summary.requests);
}

#[tokio::test]
async fn developers_see_only_what_their_applications_did() {
    let house = House::new().await;
    let developer = house.developer("dora@example.com").await;
    let span = Span::last(house.control.now(), Duration::hours(1));
    let everything = usage::summary(&house.control, &developer.actor, span, UsageFilter::default()).await;
    assert!(matches!(everything, Err(Error::Forbidden { .. })));
    let anothers = UsageFilter {
        consumer: Some(Uuid::from_u128(5).into()),
        ..UsageFilter::default()
    };
    let anothers = usage::series(&house.control, &developer.actor, span, anothers).await;
    assert!(matches!(anothers, Err(Error::Forbidden { .. })));
}

#[tokio::test]
async fn old_buckets_become_hours_without_losing_a_request() {
    let house = House::new().await;
    let admin = house.admin().await;
    let old = datetime!(2026-11-20 08:59:50 UTC);
    for step in 0..4 {
        count(&house, old + Duration::seconds(step * 10), 1, 200, 5).await;
    }
    count(&house, datetime!(2026-11-23 11:00 UTC), 1, 200, 7).await;
    jobs::run_once(&house.control).await;
    jobs::run_once(&house.control).await;
    assert_eq!(
        house
            .count("select count(*) from usage_buckets where seconds = 3600")
            .await,
        2
    );
    assert_eq!(house.count("select sum(requests)::bigint from usage_buckets").await, 27);
    let histogram = house
        .count("select sum(value)::bigint from usage_buckets, unnest(histogram) as value")
        .await;
    assert_eq!(histogram, 27);
    let span = Span::new(
        datetime!(2026-11-20 08:00 UTC),
        datetime!(2026-11-20 10:00 UTC),
        Some(3_600),
    )
    .expect("valid");
    let points = usage::series(&house.control, &admin, span, UsageFilter::default())
        .await
        .expect("a series");
    assert_eq!(points.iter().map(|point| point.requests).collect::<Vec<_>>(), [5, 15]);
}

#[tokio::test]
async fn weeks_that_nobody_rolled_up_are_rolled_up_step_by_step() {
    let house = House::new().await;
    // More rows than one step takes, over more hours than a day has.
    sqlx::query(
        "insert into usage_buckets
         select timestamptz '2026-11-01 00:00Z' + make_interval(secs => 10 * number), 10, gen_random_uuid(), $1, $1, $1, 200, '',
                2, 30000, 0, array_fill(0::bigint, array[$2]) || array[2::bigint]
         from generate_series(0, 24999) as number",
    )
    .bind(Uuid::nil())
    .bind(i32::try_from(model::usage::LATENCY_BUCKETS).expect("few") - 1)
    .execute(house.pool())
    .await
    .expect("counted");
    let old =
        "insert into usage_buckets select timestamptz '2025-01-01 00:00Z', 3600, gen_random_uuid(), $1, $1, $1, 200,
               '', 1, 1, 0, array_fill(0::bigint, array[1]) from generate_series(1, 3)";
    sqlx::query(old)
        .bind(Uuid::nil())
        .execute(house.pool())
        .await
        .expect("counted");
    jobs::run_once(&house.control).await;
    assert_eq!(
        house
            .count("select count(*) from usage_buckets where seconds = 10")
            .await,
        0
    );
    assert_eq!(
        house.count("select sum(requests)::bigint from usage_buckets").await,
        50_000
    );
    let slow = "select sum(histogram[array_length(histogram, 1)])::bigint from usage_buckets";
    assert_eq!(house.count(slow).await, 50_000);
}

#[tokio::test]
async fn a_span_is_bounded() {
    let start = datetime!(2026-11-23 11:00 UTC);
    assert!(Span::new(start, start, None).is_err());
    assert!(Span::new(start, start + Duration::days(401), None).is_err());
    assert!(Span::new(start, start + Duration::days(1), Some(15)).is_err());
    assert!(
        Span::new(start, start + Duration::days(1), Some(10)).is_err(),
        "too many points"
    );
    assert_eq!(
        Span::new(start, start + Duration::hours(1), None).expect("valid").step,
        30
    );
}
