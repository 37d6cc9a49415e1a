"""Ed25519 signatures whose R is of small order: one for each of the eight points, valid by the cofactorless equation.

By the formulas of RFC 8032, section 5.1, and nothing else but hashlib. The key is aB + T with T of order 8, so for some
messages sB = R + kA holds with s = ka and R = -kT. Prints the key, then message number (8 bytes, the least significant
first), R and S. Vectors of crates/swarm/src/identity/tests.rs.
"""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def x_of(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P:
        return None
    return x if x % 2 == sign else P - x


def add(a, b):
    k = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + k, P - 2, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, P - 2, P)
    return x % P, y % P


def times(n, point):
    total = (0, 1)
    while n:
        if n & 1:
            total = add(total, point)
        point, n = add(point, point), n >> 1
    return total


def encoded(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def order_eight():
    y = 2
    while True:
        x = x_of(y, 0)
        if x is not None and times(4, point := times(L, (x, y))) != (0, 1):
            return point
        y += 1


base_y = 4 * pow(5, P - 2, P) % P
base = (x_of(base_y, 0), base_y)
torsion = order_eight()
a = int.from_bytes(hashlib.sha512(b"starling").digest(), "little") % L
key = add(times(a, base), torsion)
print(encoded(key).hex())
for n in range(8):
    r, number = times(n, torsion), 0
    while True:
        message = number.to_bytes(8, "little")
        k = int.from_bytes(hashlib.sha512(encoded(r) + encoded(key) + message).digest(), "little") % L
        if -k % 8 == n:
            break
        number += 1
    s = k * a % L
    assert times(s, base) == add(r, times(k, key))
    print(number, encoded(r).hex(), s.to_bytes(32, "little").hex())
