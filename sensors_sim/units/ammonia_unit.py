"""A refrigerated ammonia tank whose pressure is held by a boil-off compressor with a water-cooled condenser.

Balances of the vapour space, of the surface layer of the liquid that boils, and of the level; condenser by
effectiveness 1 - exp(-NTU); saturation by Clausius-Clapeyron through 101.3 kPa at -33.3 C and 1312 kPa at 34 C
(published figures for ammonia). What the condenser returns flashes in the tank, so a hot condenser also loads the
compressor. Two transmitters of tank pressure: A controls, B is the independent one that trips. Invented numbers.
"""

from __future__ import annotations

import math

import numpy as np

from schemas.text import Text
from sensors_sim.units import BIAS, Floats, Knob, Sensor, normal
from sensors_sim.units.parts import HOUR_S, Controller, Load, Noise, Wander, daily, towards

UNIT = "ammonia-unit"
TITLE = Text(zh="低温液氨储罐与闪蒸气压缩", en="Refrigerated ammonia tank with boil-off compressor")
SENSORS = (
    Sensor("ammonia.PT-201A", 0.03, 20.0),
    Sensor("ammonia.PT-201B", 0.03, 20.0),
    Sensor("ammonia.TT-201", 0.03, 60.0),
    Sensor("ammonia.LT-201", 0.05, 60.0),
    Sensor("ammonia.FT-201", 3.0, 20.0),
    Sensor("ammonia.ZT-201", 0.3, 10.0),
    Sensor("ammonia.IT-201", 0.5, 20.0),
    Sensor("ammonia.PT-202", 6.0, 20.0),
    Sensor("ammonia.TT-203", 0.3, 60.0),
    Sensor("ammonia.TT-204", 0.08, 60.0),
    Sensor("ammonia.TT-205", 0.08, 60.0),
    Sensor("ammonia.FT-202", 0.15, 20.0),
    Sensor("ammonia.FT-203", 0.12, 20.0),
    Sensor("ammonia.TT-206", 0.15, 120.0),
)
"""Tank pressure A and B kPa(g), liquid temperature C, tank level %, boil-off to the compressor kg/h, its capacity
slide %, its current A, discharge pressure kPa(g) and temperature C, cooling water in and out C, its flow m3/h, import
t/h, air C."""

KNOBS = {
    "condenser_transfer": Knob(1.0, "share of the clean condenser's heat transfer (scale: below 1)"),
    "compressor_capacity": Knob(1.0, "share of the compressor's capacity (a blocked strainer, worn valves: below 1)"),
    "heat_leak": Knob(1.0, "heat through the insulation as a share of the normal one (wet insulation: above 1)"),
    "relief_leak_kg_h": Knob(0.0, "leak of the tank's relief valve at 6 kPa(g), kg/h"),
    "inert_kpa": Knob(0.0, "pressure of air that has gathered in the condenser, kPa"),
}

ATMOSPHERE_KPA = 101.3
BOILING_K = 239.85
SLOPE_K = 2803.0
LATENT_KJ_KG = 1370.0
SURFACE_KJ_K = 80_000.0 * 4.45
"""Heat capacity of the layer that boils: 80 t."""
VAPOUR_KG_KPA = 15.0
"""Vapour that raises the pressure of the vapour space by 1 kPa."""
BOIL_KG_S_KPA = 0.6
HEAT_KW = 60.0
SUN_KW = 14.0
CAPACITY_KG_H = 560.0
WATER_M3H = 24.0
CONDENSER_KW_K = 18.4
FLASH_OF_IMPORT = 0.011
TANK_T = 3400.0
RELIEF_KPA, RELIEF_KG_H_KPA = 12.5, 300.0
"""Gauge pressure at which the relief valves begin to open, and how much they let go above."""
SET_KPA = 6.0
EULER_S = 2.0
WARM_UP_S = 12 * HOUR_S
DISTURBANCES = 5


def saturation_kpa(kelvin: float) -> float:
    """Vapour pressure of ammonia, kPa absolute: within 3 % of the published figures from -34 to 45 C."""
    return ATMOSPHERE_KPA * math.exp(SLOPE_K * (1 / BOILING_K - 1 / kelvin))


def saturation_k(kpa: float) -> float:
    """Temperature at which ammonia boils under an absolute pressure."""
    return 1 / (1 / BOILING_K - math.log(kpa / ATMOSPHERE_KPA) / SLOPE_K)


class Unit:
    """The unit in its normal state at `start_s`: hours of warm-up lie behind it."""

    def __init__(self, seed: int, start_s: float) -> None:
        self.knobs = normal(KNOBS, SENSORS)
        self._noise = Noise(SENSORS)
        self._load = Load(seed, 8.0, 18.0, per_h=20.0)
        self._demand = Load(seed + 1, 8.0, 18.0, hold_s=7 * HOUR_S, per_h=20.0)
        self._air = Wander(1.0, 3 * HOUR_S)
        self._water_c = Wander(0.3, 2 * HOUR_S)
        self._water = Wander(0.4, HOUR_S)
        self._flash = Wander(0.05, HOUR_S)
        self._inlet = Wander(0.012, 1200.0)
        self._pic = Controller(10.0, 1500.0, 55.0, low=10.0)
        self.surface_k, self.tank_kpa, self.level = saturation_k(ATMOSPHERE_KPA + SET_KPA), SET_KPA, 65.0
        self.condensing_k = 307.0
        self._slide, self._return_kg_h, self._boil_off = 55.0, 280.0, 280.0
        self._air_now, self._water_now = 22.0, (24.0, 28.5, WATER_M3H)
        self._import, self._power, self._discharge_c = 12.0, 60.0, 100.0
        self._said = self._true()
        rng = np.random.Generator(np.random.Philox(key=[seed, 3]))
        for number in range(round(WARM_UP_S / 10.0)):
            self.step(start_s - WARM_UP_S + 10.0 * number, 10.0, rng.standard_normal(self.noises()))

    def noises(self) -> int:
        return len(SENSORS) + DISTURBANCES

    def step(self, now_s: float, dt_s: float, noise: Floats) -> Floats:
        kicks = noise[len(SENSORS) :].tolist()
        self._air_now = 22.0 + 6.0 * daily(now_s) + self._air.step(kicks[0], dt_s)
        water_in = 24.0 + 1.5 * daily(now_s, 17.0) + self._water_c.step(kicks[1], dt_s)
        water = WATER_M3H + self._water.step(kicks[2], dt_s)
        flash = 1 + self._flash.step(kicks[3], dt_s)
        inlet = 1 + self._inlet.step(kicks[4], dt_s)
        sun = max(0.0, daily(now_s, 13.0))
        wanted = self._load.step(now_s, dt_s) + 1.0 * (65.0 - self.level)
        self._import = towards(self._import, min(20.0, max(4.0, wanted)), 300.0, dt_s)
        export = self._demand.step(now_s, dt_s)
        self.level += 100 * (self._import - export) / TANK_T * dt_s / HOUR_S
        steps = max(1, round(dt_s / EULER_S))
        for _ in range(steps):
            self._euler(dt_s / steps, water_in, water, flash, inlet, sun)
        self._said = self._true() + self._noise.step(noise[: len(SENSORS)], dt_s)
        return self._said

    def _euler(self, dt_s: float, water_in: float, water: float, flash: float, inlet: float, sun: float) -> None:
        knobs = self.knobs
        slide = self._pic.step(float(self._said[0]) - SET_KPA, dt_s)
        self._slide = towards(self._slide, slide, 15.0, dt_s)

        suction = ATMOSPHERE_KPA + self.tank_kpa - 3.0 * (self._boil_off / 300.0) ** 2
        condensing = saturation_kpa(self.condensing_k) + knobs["inert_kpa"]
        ratio = condensing / suction
        filled = (0.94 - 0.012 * ratio) / 0.79
        self._boil_off = (
            CAPACITY_KG_H * knobs["compressor_capacity"] * inlet * self._slide / 100 * filled * suction / 104.0
        )
        stage = ratio**0.5
        lift = stage**0.23 - 1
        work = self._boil_off / HOUR_S * 2 * 2.2 * 280.0 * lift / 0.7
        self._power = towards(self._power, 8.0 + work, 10.0, dt_s)
        self._discharge_c = towards(self._discharge_c, (water_in + 280.0) * (1 + 0.75 * lift) - 273.15, 240.0, dt_s)

        stream = max(1.0, water) * 4.18 / 3.6
        share = 1 - math.exp(-CONDENSER_KW_K * knobs["condenser_transfer"] / stream)
        duty = self._boil_off / HOUR_S * (1130.0 + 1.9 * (self._discharge_c + 273.15 - self.condensing_k) + 160.0)
        self.condensing_k = towards(self.condensing_k, water_in + 273.15 + duty / (share * stream), 150.0, dt_s)
        self._water_now = (water_in, towards(self._water_now[1], water_in + duty / stream, 60.0, dt_s), water)

        self._return_kg_h = towards(self._return_kg_h, self._boil_off, 600.0, dt_s)
        of_return = 0.0036 * max(0.0, self.condensing_k - 273.15) * self._return_kg_h
        of_import = FLASH_OF_IMPORT * flash * 1000.0 * self._import
        heat = HEAT_KW * knobs["heat_leak"] * (1 + 0.012 * (self._air_now - 22.0)) + SUN_KW * sun * knobs["heat_leak"]
        boiled = BOIL_KG_S_KPA * (saturation_kpa(self.surface_k) - ATMOSPHERE_KPA - self.tank_kpa)
        self.surface_k += dt_s * (heat - boiled * LATENT_KJ_KG) / SURFACE_KJ_K
        leak = knobs["relief_leak_kg_h"] * math.sqrt(max(0.0, self.tank_kpa) / SET_KPA)
        leak += RELIEF_KG_H_KPA * max(0.0, self.tank_kpa - RELIEF_KPA)
        made = boiled + (of_return + of_import - self._boil_off - leak) / HOUR_S
        self.tank_kpa += dt_s * made / VAPOUR_KG_KPA

    def _true(self) -> Floats:
        """What the sensors would say without noise."""
        water_in, water_out, water = self._water_now
        condensing = saturation_kpa(self.condensing_k) + self.knobs["inert_kpa"] - ATMOSPHERE_KPA
        true = (
            self.tank_kpa,
            self.tank_kpa,
            self.surface_k - 273.15,
            self.level,
            self._boil_off,
            self._slide,
            self._power / 0.57,
            condensing,
            self._discharge_c,
            water_in,
            water_out,
            water,
            self._import,
            self._air_now,
        )
        biases = [self.knobs[BIAS + sensor.name] for sensor in SENSORS]
        return np.asarray(np.array(true) + np.array(biases), np.float64)
