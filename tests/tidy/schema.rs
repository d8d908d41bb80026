//! The schema of the domain XML, generated from the model and kept for others to use.

use crate::tree;

#[test]
fn the_schema_is_that_of_the_model() {
    tree::assert_kept("schemas/domain.rng", &conf::schema(), "schema");
}
