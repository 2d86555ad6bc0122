"""Writes settings_nb.csv and settings_wb.csv: the terms of G.107 and G.107.1 for
connections that are not the default one. The formulas are those of the Recommendation in their printed form
and order, with plain double arithmetic; nothing is shared with the Go code.

    python3 settings.py
"""
from math import exp, log10, log2, sqrt

DEFAULTS = dict(SLR=8, RLR=2, STMR=15, LSTR=None, Ds=3, Dr=3, TELR=65, WEPL=110, T=0, Tr=0, Ta=0, qdu=1,
                Ie=0, Bpl=25.1, Ppl=0, BurstR=1, Nc=-70, Nfor=-64, Ps=35, Pr=35, A=0, sT=1, mT=100)
OUT = ["No", "Ro", "Iolr", "Ist", "Iq", "Is", "Idte", "Idle", "Idd", "IeEff", "R"]

ROWS = [
    {"SLR": 0}, {"SLR": 18}, {"RLR": 0}, {"RLR": -5}, {"RLR": 14}, {"SLR": 15, "RLR": 12},
    {"STMR": 8}, {"STMR": 10}, {"STMR": 20}, {"STMR": 25}, {"STMR": 2}, {"LSTR": 13}, {"Dr": -3}, {"Ds": -3},
    {"TELR": 5}, {"WEPL": 5}, {"WEPL": 20, "Tr": 100}, {"qdu": 4}, {"qdu": 14},
    {"Nc": -40}, {"Nfor": -50}, {"Ps": 65}, {"Pr": 65}, {"Ps": 85, "Pr": 85},
    {"T": 0.5, "TELR": 30}, {"T": 1, "TELR": 30}, {"T": 5, "TELR": 10}, {"T": 50, "TELR": 40},
    {"T": 100, "Tr": 200, "Ta": 100, "TELR": 45, "WEPL": 60},
    {"T": 150, "Tr": 300, "Ta": 150, "STMR": 8}, {"T": 150, "Tr": 300, "Ta": 150, "STMR": 24},
    {"T": 10, "STMR": 22, "TELR": 60}, {"T": 10, "STMR": 9}, {"T": 10, "STMR": 20},
    {"T": 300, "Tr": 600, "Ta": 300, "TELR": 65, "qdu": 2, "Ps": 55, "Ie": 11, "Bpl": 19, "Ppl": 3, "BurstR": 1.5, "A": 10},
]


def rate(v):
    lstr = v["STMR"] + v["Dr"] if v["LSTR"] is None else v["LSTR"]
    olr = v["SLR"] + v["RLR"]
    nos = v["Ps"] - v["SLR"] - v["Ds"] - 100 + 0.004 * (v["Ps"] - olr - v["Ds"] - 14) ** 2
    pre = v["Pr"] + 10 * log10(1 + 10 ** ((10 - lstr) / 10))
    nor = v["RLR"] - 121 + pre + 0.008 * (pre - 35) ** 2
    nfo = v["Nfor"] + v["RLR"]
    no = 10 * log10(10 ** (v["Nc"] / 10) + 10 ** (nos / 10) + 10 ** (nor / 10) + 10 ** (nfo / 10))
    ro = 15 - 1.5 * (v["SLR"] + no)

    xolr = olr + 0.2 * (64 + no - v["RLR"])
    iolr = 20 * ((1 + (xolr / 8) ** 8) ** (1 / 8) - xolr / 8)
    stmro = -10 * log10(10 ** (-v["STMR"] / 10) + exp(-v["T"] / 4) * 10 ** (-v["TELR"] / 10))
    ist = (12 * (1 + ((stmro - 13) / 6) ** 8) ** (1 / 8) - 28 * (1 + ((stmro + 1) / 19.4) ** 35) ** (1 / 35)
           - 13 * (1 + ((stmro - 3) / 33) ** 13) ** (1 / 13) + 29)
    q = 37 - 15 * log10(v["qdu"])
    g = 1.07 + 0.258 * q + 0.0602 * q ** 2
    iq = 15 * log10(1 + 10 ** ((ro - 100) / 15 + 46 / 8.4 - g / 9) + 10 ** (46 / 30 - g / 40))

    idte = 0
    if v["T"] >= 1:
        terv = v["TELR"] - 40 * log10((1 + v["T"] / 10) / (1 + v["T"] / 150)) + 6 * exp(-0.3 * v["T"] ** 2)
        if v["STMR"] < 9:
            terv += ist / 2
        roe, re = -1.5 * (no - v["RLR"]), 80 + 2.5 * (terv - 14)
        idte = ((roe - re) / 2 + sqrt((roe - re) ** 2 / 4 + 100) - 1) * (1 - exp(-v["T"]))
        if v["STMR"] > 20:
            idte = sqrt(idte ** 2 + ist ** 2)
    rle = 10.5 * (v["WEPL"] + 7) * (v["Tr"] + 1) ** -0.25
    idle = (ro - rle) / 2 + sqrt((ro - rle) ** 2 / 4 + 169)
    idd = 0
    if v["Ta"] > v["mT"]:
        x, e = log2(v["Ta"] / v["mT"]), 6 * v["sT"]
        idd = 25 * ((1 + x ** e) ** (1 / e) - 3 * (1 + (x / 3) ** e) ** (1 / e) + 2)
    ie = v["Ie"] + (95 - v["Ie"]) * v["Ppl"] / (v["Ppl"] / v["BurstR"] + v["Bpl"])
    r = ro - iolr - ist - iq - idte - idle - idd - ie + v["A"]
    return [no, ro, iolr, ist, iq, iolr + ist + iq, idte, idle, idd, ie, r]


WB_DEFAULTS = dict(TELR=65, WEPL=110, T=0, Tr=0, Ta=0, Roe=None)
WB_OUT = ["Idte", "Idle", "Idd", "R"]
WB_ROWS = [
    {"T": 0.9, "TELR": 40}, {"T": 1, "TELR": 40}, {"T": 20, "TELR": 30}, {"T": 95, "TELR": 45}, {"T": 99.9, "TELR": 45},
    {"T": 100, "TELR": 45}, {"T": 130, "TELR": 45, "Ta": 130}, {"T": 130, "TELR": 45, "Roe": 129},
    {"WEPL": 30}, {"WEPL": 30, "Tr": 250}, {"T": 60, "Tr": 120, "Ta": 160, "TELR": 50, "WEPL": 60, "Roe": 100},
]


def rate_wb(v):
    roe = v["Roe"]
    if roe is None:
        roe = -1.5 * (rate(DEFAULTS | {"Nfor": -96})[0] - DEFAULTS["RLR"])
    idte = 0
    if v["T"] >= 1:
        k = 0.08 * v["T"] + 10 if v["T"] < 100 else 18
        terv = v["TELR"] - 40 * log10((1 + v["T"] / 10) / (1 + v["T"] / 150)) + 6 * exp(-0.3 * v["T"] ** 2) + k
        re = 80 + 3 * (terv - 14)
        idte = ((roe - re) / 2 + sqrt((roe - re) ** 2 / 4 + 100) - 1) * (1 - exp(-v["T"]))
    rle = 10.5 * (v["WEPL"] + 7) * (v["Tr"] + 1) ** -0.25
    idle = (129 - rle) / 2 + sqrt((129 - rle) ** 2 / 4 + 169)
    idd = 1.29 * rate(DEFAULTS | {"Ta": v["Ta"]})[8]
    return [idte, idle, idd, 129 - idte - idle - idd]


def write(name, rows, defaults, out, model):
    with open(name, "w") as f:
        print(",".join(["settings"] + out), file=f)
        for row in rows:
            settings = " ".join(f"{k}={v}" for k, v in row.items())
            print(",".join([settings] + [f"{x:.9f}" for x in model(defaults | row)]), file=f)


write("settings_nb.csv", ROWS, DEFAULTS, OUT, rate)
write("settings_wb.csv", WB_ROWS, WB_DEFAULTS, WB_OUT, rate_wb)
