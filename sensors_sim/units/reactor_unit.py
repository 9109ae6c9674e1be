"""A jacketed stirred reactor with an exothermic reaction, fed, cooled, vented and drained under control.

A -> B, first order, k = K_REF exp(-E/R (1/T - 1/T_REF)). Balances of A, of heat, of the jacket, of the gas in the head
space and of the volume (for instance Seborg, Edgar, Mellichamp, Doyle: Process Dynamics and Control, ch. 2). Loops:
feed flow, temperature by the coolant valve, pressure by the vent valve, level by the outlet valve. Invented numbers.
"""

from __future__ import annotations

import math

import numpy as np

from schemas.text import Text
from sensors_sim.units import BIAS, Floats, Knob, Sensor, normal
from sensors_sim.units.parts import HOUR_S, Controller, Load, Noise, Wander, daily, towards

UNIT = "reactor-unit"
TITLE = Text(zh="夹套放热反应器", en="Jacketed exothermic reactor")
SENSORS = (
    Sensor("reactor.FT-101", 0.03, 15.0),
    Sensor("reactor.FV-101", 0.2, 10.0),
    Sensor("reactor.TT-101", 0.08, 60.0),
    Sensor("reactor.TT-102", 0.08, 30.0),
    Sensor("reactor.TT-103", 0.08, 60.0),
    Sensor("reactor.TT-104", 0.1, 60.0),
    Sensor("reactor.FT-102", 0.08, 15.0),
    Sensor("reactor.TV-102", 0.2, 10.0),
    Sensor("reactor.PT-101", 0.8, 15.0),
    Sensor("reactor.PV-101", 0.2, 10.0),
    Sensor("reactor.LT-101", 0.15, 20.0),
    Sensor("reactor.LV-101", 0.2, 10.0),
    Sensor("reactor.FT-103", 0.04, 15.0),
    Sensor("reactor.IT-101", 0.3, 30.0),
    Sensor("reactor.AT-101", 0.3, 300.0),
)
"""Feed flow m3/h, feed valve %, feed, reactor, coolant in and coolant out temperature C, coolant flow m3/h, coolant
valve %, pressure kPa(g), vent valve %, level %, outlet valve %, product flow m3/h, agitator current A, conversion %."""

KNOBS = {
    "jacket_transfer": Knob(1.0, "share of the clean jacket's heat transfer (fouling: below 1)"),
    "coolant_supply": Knob(1.0, "share of the normal coolant supply (a pump that fails: towards 0)"),
    "vent_capacity": Knob(1.0, "share of the vent line's capacity (a line that blocks: below 1)"),
    "relief_leak": Knob(0.0, "leak of the relief valve as a share of the vent line's capacity"),
    "feed_strength": Knob(1.0, "concentration of the feed as a share of the normal one"),
}

T_REF = 358.15
K_REF = 4.0
"""Rate at 85 C, 1/h."""
ACTIVATION_K = 8500.0
FEED_KMOL_M3 = 4.0
HEAT_KJ_KMOL = 90_000.0
RHO_CP = 3500.0
"""kJ/(m3 K) of the contents; water in the jacket has 4180."""
WATER_CP = 4180.0
UA = 12_700.0
"""kJ/(h K) of the clean jacket at normal coolant flow."""
JACKET_M3 = 0.8
VESSEL_M3 = 10.0
FEED_M3H = 6.0
COOLANT_MAX_M3H = 20.0
COOLANT_NORMAL_M3H = 9.5
ATMOSPHERE_KPA = 101.3
SOLVENT_KPA = 120.0
"""Vapour pressure at 85 C, with SOLVENT_K the slope of its logarithm against 1/T."""
SOLVENT_K = 4300.0
GAS_KPA_H = 450.0
"""Rise of pressure by gas from the reaction at normal rate with everything closed."""
VENT_KPA_H = 1900.0
"""Fall of pressure at 300 kPa with the vent wide open."""
RELIEF_KPA, RELIEF_KPA_H_KPA = 330.0, 60.0
"""Gauge pressure at which the relief valve begins to open, and how much it lets go above."""
SET_TEMPERATURE, SET_PRESSURE, SET_LEVEL = 85.0, 200.0, 60.0
EULER_S = 2.0
WARM_UP_S = 6 * HOUR_S
DISTURBANCES = 5


def vapour_kpa(kelvin: float) -> float:
    """Vapour pressure of the solvent (Clausius-Clapeyron)."""
    return SOLVENT_KPA * math.exp(-SOLVENT_K * (1 / kelvin - 1 / T_REF))


def rate_per_h(kelvin: float) -> float:
    """Arrhenius."""
    return K_REF * math.exp(-ACTIVATION_K * (1 / kelvin - 1 / T_REF))


def vent_share(absolute_kpa: float) -> float:
    """Flow through the vent to the open as a share of that at 300 kPa: goes with the root of p^2 - p0^2."""
    head = max(0.0, absolute_kpa**2 - ATMOSPHERE_KPA**2)
    return math.sqrt(head / (300.0**2 - ATMOSPHERE_KPA**2))


class Unit:
    """The unit in its normal state at `start_s`: hours of warm-up lie behind it."""

    def __init__(self, seed: int, start_s: float) -> None:
        self.knobs = normal(KNOBS, SENSORS)
        self._noise = Noise(SENSORS)
        self._said = np.zeros(len(SENSORS))
        self._load = Load(seed, 0.88, 1.08)
        self._strength = Wander(0.012, 4 * HOUR_S)
        self._feed_heat = Wander(0.5, HOUR_S)
        self._coolant_heat = Wander(0.3, HOUR_S)
        self._header = Wander(0.03, 300.0)
        self._supply = Wander(0.02, 600.0)
        self._fic = Controller(-4.0, 30.0, 50.0)
        self._tic = Controller(9.0, 2400.0, 48.0, low=2.0)
        self._pic = Controller(0.6, 600.0, 40.0)
        self._lic = Controller(1.5, 3600.0, 50.0)
        self.a_kmol_m3, self.kelvin, self.jacket_kelvin = 0.8, T_REF, 313.0
        self.volume_m3, self.gas_kpa = 6.0, 181.0
        self._feed_valve, self._coolant_valve, self._vent_valve, self._outlet_valve = 50.0, 48.0, 40.0, 50.0
        self._conversion = 80.0
        self._flows = (FEED_M3H, COOLANT_NORMAL_M3H, FEED_M3H)
        self._feed_c, self._coolant_c = 30.0, 25.0
        self._measure()
        rng = np.random.Generator(np.random.Philox(key=[seed, 3]))
        for number in range(round(WARM_UP_S / 10.0)):
            self.step(start_s - WARM_UP_S + 10.0 * number, 10.0, rng.standard_normal(self.noises()))

    def noises(self) -> int:
        return len(SENSORS) + DISTURBANCES

    @property
    def pressure_kpa(self) -> float:
        """True pressure, kPa(g)."""
        return self.gas_kpa + vapour_kpa(self.kelvin) - ATMOSPHERE_KPA

    def step(self, now_s: float, dt_s: float, noise: Floats) -> Floats:
        kicks = noise[len(SENSORS) :].tolist()
        load = self._load.step(now_s, dt_s)
        strength = FEED_KMOL_M3 * self.knobs["feed_strength"] * (1 + self._strength.step(kicks[0], dt_s))
        self._feed_c = 30.0 + 1.5 * daily(now_s) + self._feed_heat.step(kicks[1], dt_s)
        self._coolant_c = 25.0 + 2.0 * daily(now_s, 16.0) + self._coolant_heat.step(kicks[2], dt_s)
        header = 1 + self._header.step(kicks[3], dt_s)
        supply = self.knobs["coolant_supply"] * (1 + self._supply.step(kicks[4], dt_s))
        steps = max(1, round(dt_s / EULER_S))
        for _ in range(steps):
            self._euler(dt_s / steps, load, strength, header, supply)
        self._measure()
        self._said = self._said + self._noise.step(noise[: len(SENSORS)], dt_s)
        return self._said

    def _euler(self, dt_s: float, load: float, strength: float, header: float, supply: float) -> None:
        knobs, said = self.knobs, self._said
        feed_valve = self._fic.step(float(said[0]) - FEED_M3H * load, dt_s)
        coolant_valve = self._tic.step(float(said[3]) - SET_TEMPERATURE, dt_s)
        vent_valve = self._pic.step(float(said[8]) - SET_PRESSURE, dt_s)
        outlet_valve = self._lic.step(float(said[10]) - SET_LEVEL, dt_s)
        self._feed_valve = towards(self._feed_valve, feed_valve, 4.0, dt_s)
        self._coolant_valve = towards(self._coolant_valve, coolant_valve, 6.0, dt_s)
        self._vent_valve = towards(self._vent_valve, vent_valve, 6.0, dt_s)
        self._outlet_valve = towards(self._outlet_valve, outlet_valve, 6.0, dt_s)
        feed = 2 * FEED_M3H * header * self._feed_valve / 100
        coolant = COOLANT_MAX_M3H * supply * self._coolant_valve / 100
        product = 2 * FEED_M3H * self._outlet_valve / 100 * math.sqrt(max(0.0, self.volume_m3) / 6.0)
        self._flows = (feed, coolant, product)

        dt_h = dt_s / HOUR_S
        volume = max(0.5, self.volume_m3)
        reaction = rate_per_h(self.kelvin) * self.a_kmol_m3
        transfer = UA * knobs["jacket_transfer"] * (max(0.0, coolant) / COOLANT_NORMAL_M3H) ** 0.3
        to_jacket = transfer * (self.kelvin - self.jacket_kelvin)
        self.a_kmol_m3 += dt_h * (feed / volume * (strength - self.a_kmol_m3) - reaction)
        warm = feed * RHO_CP * (self._feed_c + 273.15 - self.kelvin) + volume * reaction * HEAT_KJ_KMOL - to_jacket
        self.kelvin += dt_h * warm / (volume * RHO_CP)
        cold = coolant * WATER_CP * (self._coolant_c + 273.15 - self.jacket_kelvin)
        self.jacket_kelvin += dt_h * (cold + to_jacket) / (JACKET_M3 * WATER_CP)
        self.volume_m3 += dt_h * (feed - product)
        made = GAS_KPA_H * volume * reaction / (FEED_M3H * FEED_KMOL_M3 * 0.8)
        absolute = self.gas_kpa + vapour_kpa(self.kelvin)
        open_ = knobs["vent_capacity"] * self._vent_valve / 100 + knobs["relief_leak"]
        out = VENT_KPA_H * open_ * vent_share(absolute) * self.gas_kpa / absolute
        relief = RELIEF_KPA_H_KPA * max(0.0, absolute - ATMOSPHERE_KPA - RELIEF_KPA)
        self.gas_kpa = max(0.0, self.gas_kpa + dt_h * (made - out - relief))
        fed = max(0.1, strength)
        self._conversion = towards(self._conversion, 100 * (1 - self.a_kmol_m3 / fed), 180.0, dt_s)

    def _measure(self) -> None:
        feed, coolant, product = self._flows
        level = 100 * self.volume_m3 / VESSEL_M3
        current = 28.0 + 0.22 * level + 0.06 * (self._conversion - 80.0) - 0.05 * (self.kelvin - T_REF)
        true = (
            feed,
            self._feed_valve,
            self._feed_c,
            self.kelvin - 273.15,
            self._coolant_c,
            self.jacket_kelvin - 273.15,
            coolant,
            self._coolant_valve,
            self.pressure_kpa,
            self._vent_valve,
            level,
            self._outlet_valve,
            product,
            current,
            self._conversion,
        )
        biases = [self.knobs[BIAS + sensor.name] for sensor in SENSORS]
        self._said = np.array(true) + np.array(biases)
