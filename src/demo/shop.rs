//! The stock and the orders of the demo shop, in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// How many orders are kept; the oldest makes room for the newest.
const KEPT: usize = 500;

/// A product in stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Product {
    id: &'static str,
    title: &'static str,
    price: u32,
    currency: &'static str,
}

/// Everything in stock.
pub(super) const PRODUCTS: [Product; 6] = [
    product("tea-assam-250", "Assam tea, 250 g", 890),
    product("tea-sencha-100", "Sencha tea, 100 g", 1_150),
    product("coffee-sidamo-500", "Sidamo coffee, 500 g", 1_490),
    product("cup-stoneware", "Stoneware cup", 1_200),
    product("kettle-steel-1l", "Steel kettle, 1 l", 4_900),
    product("honey-linden-500", "Linden honey, 500 g", 980),
];

const fn product(id: &'static str, title: &'static str, price: u32) -> Product {
    Product {
        id,
        title,
        price,
        currency: "EUR",
    }
}

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Placed,
    Packed,
    Shipped,
    Delivered,
}

/// What an order asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    product: String,
    quantity: u32,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) status: Status,
    product: &'static str,
    quantity: u32,
    amount: u32,
    currency: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    placed_at: OffsetDateTime,
}

/// A step on the way of a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct TrackingEvent {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    what: &'static str,
}

/// The shop.
#[derive(Debug)]
pub(super) struct Shop {
    orders: Mutex<Orders>,
}

#[derive(Debug)]
struct Orders {
    next: u32,
    newest_first: VecDeque<Order>,
}

impl Shop {
    /// A shop with a few orders in every state.
    pub(super) fn stocked(now: OffsetDateTime) -> Self {
        let mut orders = Orders {
            next: 1_001,
            newest_first: VecDeque::new(),
        };
        let states = [
            Status::Delivered,
            Status::Delivered,
            Status::Shipped,
            Status::Shipped,
            Status::Packed,
            Status::Placed,
        ];
        for ((product, status), days) in PRODUCTS.iter().zip(states).zip((0..6).rev()) {
            orders.add(
                product,
                1 + days,
                status,
                now - Duration::days(i64::from(days)) - Duration::hours(3),
            );
        }
        Self {
            orders: Mutex::new(orders),
        }
    }

    /// The newest orders first.
    pub(super) fn list(&self, status: Option<Status>, limit: usize) -> Vec<Order> {
        let orders = self.lock();
        let fits = |order: &&Order| status.is_none_or(|status| order.status == status);
        orders.newest_first.iter().filter(fits).take(limit).cloned().collect()
    }

    /// One order.
    pub(super) fn get(&self, id: &str) -> Option<Order> {
        self.lock().newest_first.iter().find(|order| order.id == id).cloned()
    }

    /// Takes an order, or says what is wrong with it.
    pub(super) fn place(&self, new: &NewOrder, now: OffsetDateTime) -> Result<Order, String> {
        let product = PRODUCTS.iter().find(|product| product.id == new.product);
        let product = product.ok_or_else(|| format!("product: there is no `{}`", new.product))?;
        if !(1..=99).contains(&new.quantity) {
            return Err("quantity: must be 1 to 99".to_owned());
        }
        Ok(self.lock().add(product, new.quantity, Status::Placed, now))
    }

    /// What happened to the parcel of an order so far.
    pub(super) fn tracking(&self, id: &str) -> Option<Vec<TrackingEvent>> {
        let order = self.get(id)?;
        let steps = [
            (Status::Placed, 0, "Order received"),
            (Status::Packed, 4, "Packed"),
            (Status::Shipped, 9, "Left the warehouse"),
            (Status::Delivered, 33, "Delivered"),
        ];
        let done = steps
            .into_iter()
            .take_while(|(status, ..)| *status as u8 <= order.status as u8);
        Some(
            done.map(|(_, hours, what)| TrackingEvent {
                at: order.placed_at + Duration::hours(hours),
                what,
            })
            .collect(),
        )
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Orders {
    fn add(&mut self, product: &Product, quantity: u32, status: Status, placed_at: OffsetDateTime) -> Order {
        let order = Order {
            id: format!("ord-{}", self.next),
            status,
            product: product.id,
            quantity,
            amount: product.price * quantity,
            currency: product.currency,
            placed_at,
        };
        self.next += 1;
        self.newest_first.push_front(order.clone());
        self.newest_first.truncate(KEPT);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_kept_up_to_a_bound() {
        let shop = Shop::stocked(OffsetDateTime::UNIX_EPOCH);
        let new = NewOrder {
            product: "cup-stoneware".into(),
            quantity: 2,
        };
        for _ in 0..KEPT + 5 {
            shop.place(&new, OffsetDateTime::UNIX_EPOCH).expect("valid");
        }
        assert_eq!(shop.list(None, usize::MAX).len(), KEPT);
        assert!(shop.get("ord-1001").is_none());
    }

    #[test]
    fn a_wrong_order_is_refused_by_member() {
        let shop = Shop::stocked(OffsetDateTime::UNIX_EPOCH);
        let wrong = |product: &str, quantity| {
            shop.place(
                &NewOrder {
                    product: product.into(),
                    quantity,
                },
                OffsetDateTime::UNIX_EPOCH,
            )
            .expect_err("wrong")
        };
        assert!(wrong("gold", 1).starts_with("product:"));
        assert!(wrong("cup-stoneware", 0).starts_with("quantity:"));
    }

    #[test]
    fn a_parcel_is_only_as_far_as_its_order() {
        let shop = Shop::stocked(OffsetDateTime::UNIX_EPOCH);
        assert_eq!(shop.tracking("ord-1001").expect("known").len(), 4);
        assert_eq!(shop.tracking("ord-1006").expect("known").len(), 1);
        assert!(shop.tracking("ord-9").is_none());
    }
}
