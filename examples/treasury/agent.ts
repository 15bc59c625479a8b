import { treasurer } from "bursar";

/** A treasurer that watches `inbox/` for bills. What it may pay is in `policies/treasury.yaml`, not here. */
export default treasurer({ inbox: "./inbox", mailSettings: "./mail.json" });
