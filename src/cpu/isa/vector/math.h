#pragma once
// Elementary functions of vectors. Include after a vector.h. The polynomials are minimax fits over the ranges named
// (weighted least squares on Chebyshev nodes, reweighted until level).

#include <cstdint>

namespace kedge::cpu {
namespace {

/// Relative error below 1.5e-7 (two units in the last place); exp(-infinity) is 0, overflow is infinity.
inline Vector exponential(Vector x) {
  // Beyond these the result has rounded to 0 or to infinity, and the exponent still fits scale_by_power. The order of
  // operands lets a NaN through.
  x = smaller(broadcast(89.0F), larger(broadcast(-104.0F), x));
  const Vector n = to_nearest(multiply(x, broadcast(1.44269504F)));
  // ln 2 in two parts: the upper one ends in nine zero bits, so that n times it is exact.
  const Vector upper = negated_multiply_add(n, broadcast(0.693145752F), x);
  const Vector r = negated_multiply_add(n, broadcast(1.42860677e-6F), upper);
  // (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2, within 3.1e-9 of exp(r).
  Vector p = broadcast(0.00138144649F);
  p = multiply_add(p, r, broadcast(0.00836878084F));
  p = multiply_add(p, r, broadcast(0.0416683927F));
  p = multiply_add(p, r, broadcast(0.166665196F));
  p = multiply_add(p, r, broadcast(0.49999994F));
  p = multiply_add(multiply(p, r), r, r);
  return scale_by_power(add(p, broadcast(1.0F)), n);
}

/// Relative error below 3e-7.
inline Vector hyperbolic_tangent(Vector x) {
  const Vector size = magnitude(x);
  // (tanh(x) / x - 1) / x^2 in x^2 for |x| <= 0.625, within 4.4e-9 of tanh(x).
  const Vector square = multiply(x, x);
  Vector p = broadcast(-0.00570497895F);
  p = multiply_add(p, square, broadcast(0.0206390787F));
  p = multiply_add(p, square, broadcast(-0.0537397116F));
  p = multiply_add(p, square, broadcast(0.133314416F));
  p = multiply_add(p, square, broadcast(-0.333332807F));
  const Vector near = multiply_add(multiply(p, square), x, x);
  const Vector one = broadcast(1.0F);
  const Vector grown = add(exponential(add(size, size)), one);
  const Vector far = with_sign_of(subtract(one, divide(broadcast(2.0F), grown)), x);
  return select(less(size, broadcast(0.625F)), near, far);
}

/// Absolute error below 1.5e-7.
inline Vector error_function(Vector x) {
  const Vector size = magnitude(x);
  // erf(x) / x in x^2 for |x| <= 1, within 4e-8.
  const Vector square = multiply(x, x);
  Vector p = broadcast(-0.00056314189F);
  p = multiply_add(p, square, broadcast(0.00491755083F));
  p = multiply_add(p, square, broadcast(-0.0267113112F));
  p = multiply_add(p, square, broadcast(0.112801798F));
  p = multiply_add(p, square, broadcast(-0.37612325F));
  p = multiply_add(p, square, broadcast(1.12837911F));
  const Vector near = multiply(p, x);
  // log(1 - erf(t)) for 1 <= t <= 4; from there on erf(t) rounds to 1.
  const Vector t = smaller(size, broadcast(4.0F));
  Vector q = broadcast(0.000186380086F);
  q = multiply_add(q, t, broadcast(-0.00294766668F));
  q = multiply_add(q, t, broadcast(0.0218380969F));
  q = multiply_add(q, t, broadcast(-0.103106819F));
  q = multiply_add(q, t, broadcast(-0.638144732F));
  q = multiply_add(q, t, broadcast(-1.12708926F));
  q = multiply_add(q, t, broadcast(-0.000341512583F));
  const Vector far = with_sign_of(subtract(broadcast(1.0F), exponential(q)), x);
  return select(less(size, broadcast(1.0F)), near, far);
}

struct Silu {
  static Vector of(Vector x) { return divide(x, add(broadcast(1.0F), exponential(subtract(zero(), x)))); }
};
struct GeluErf {
  static Vector of(Vector x) {
    const Vector half = multiply(x, broadcast(0.5F));
    return multiply_add(half, error_function(multiply(x, broadcast(0.70710678F))), half);
  }
};
struct GeluTanh {
  static Vector of(Vector x) {
    const Vector half = multiply(x, broadcast(0.5F));
    const Vector cube = multiply(multiply(x, x), x);
    const Vector inner = multiply(broadcast(0.79788456F), multiply_add(broadcast(0.044715F), cube, x));
    return multiply_add(half, hyperbolic_tangent(inner), half);
  }
};
struct Relu {
  static Vector of(Vector x) { return larger(x, zero()); }
};

}  // namespace
}  // namespace kedge::cpu
