#include "arm_nnsupportfunctions.h"

/* exp(-1/4), exp(-1/2) ... exp(-16) times 2^31. */
const int32_t arm_nn_exp_factors[7] = { 1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242 };
